#include "hadal/data/text/huggingface.h"

#include "tests/fuzz/fuzz.h"

namespace {
/// The two files one behind the other, a NUL between them.
void read(std::string_view text) {
  const auto cut = std::min(text.find('\0'), text.size());
  const auto made = hadal::parse_gpt2(text.substr(0, cut), text.substr(std::min(cut + 1, text.size())), "input");
  (void)made->encode("Some text, \xc3\xbc 42 <|endoftext|>\xff");
}
}  // namespace

FUZZ(input, read({reinterpret_cast<const char*>(input.data()), input.size()}))
