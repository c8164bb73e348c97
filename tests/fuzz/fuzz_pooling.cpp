#include "hadal/trained/text/pooling_files.h"

#include "tests/fuzz/fuzz.h"

namespace {
/// The first byte says which of the two files the rest is.
void read(std::string_view text) {
  if (text.empty()) return;
  hadal::Pooling pooling;
  text[0] == 'm' ? (void)hadal::parse_pooling_steps(text.substr(1), "modules.json")
                 : hadal::parse_pooling(text.substr(1), "config.json", pooling);
}
}  // namespace

FUZZ(input, read({reinterpret_cast<const char*>(input.data()), input.size()}))
