#include "hadal/data/text/huggingface.h"

#include "tests/fuzz/fuzz.h"

namespace {
/// The two files and up to three that add tokens, one behind the other, a NUL between them.
void read(std::string_view text) {
  const auto next = [&] {
    const auto cut = std::min(text.find('\0'), text.size());
    const auto part = text.substr(0, cut);
    text.remove_prefix(std::min(cut + 1, text.size()));
    return part;
  };
  const auto vocab = next(), merges = next();
  hadal::AddedTokenFiles beside;
  for (auto* file : {&beside.added, &beside.config, &beside.special}) *file = next();
  const auto made = hadal::parse_gpt2(vocab, merges, "input", beside);
  (void)made->encode("Some text, \xc3\xbc 42 <|endoftext|><user> <bot>\xff");
}
}  // namespace

FUZZ(input, read({reinterpret_cast<const char*>(input.data()), input.size()}))
