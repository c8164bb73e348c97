#include "hadal/data/vision/scenes/readers.h"
#include "hadal/io/yaml.h"

#include "tests/fuzz/fuzz.h"

namespace {
void read(std::string_view text) {
  (void)hadal::parse_yaml(text, "input");
  hadal::FaultLog log;
  (void)hadal::parse_yolo_settings(text, "input", log);
}
}  // namespace

FUZZ(input, read({reinterpret_cast<const char*>(input.data()), input.size()}))
