#include "hadal/data/text/labelled_text.h"

#include "tests/fuzz/fuzz.h"

namespace {
void read(std::string_view text) {
  const auto made = hadal::parse_labelled_texts(text, "input", "text", "label");
  if (made.texts.size() != made.labels.size()) __builtin_trap();
}
}  // namespace

FUZZ(input, read({reinterpret_cast<const char*>(input.data()), input.size()}))
