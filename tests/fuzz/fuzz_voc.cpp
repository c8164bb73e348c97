#include "hadal/data/vision/scenes/readers.h"

#include "tests/fuzz/fuzz.h"

namespace {
void read(std::string_view text) {
  std::vector<std::string> classes;
  hadal::FaultLog log;
  const auto record = hadal::parse_voc(text, "input", classes, false, {}, log);
  for (const auto& object : record.objects)
    if (object.label < 0 || object.label >= std::ssize(classes)) __builtin_trap();
}
}  // namespace

FUZZ(input, read({reinterpret_cast<const char*>(input.data()), input.size()}))
