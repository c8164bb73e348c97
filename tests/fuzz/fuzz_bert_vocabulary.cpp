#include "hadal/data/text/huggingface.h"

#include "tests/fuzz/fuzz.h"

namespace {
/// vocab.txt and up to three files beside it one behind the other, a NUL between them.
void read(std::string_view text) {
  const auto next = [&] {
    const auto cut = std::min(text.find('\0'), text.size());
    const std::string part(text.substr(0, cut));
    text.remove_prefix(std::min(cut + 1, text.size()));
    return part;
  };
  const auto vocab = next(), config = next(), special = next(), added = next();
  const auto made = hadal::parse_bert_vocabulary(vocab, "v.txt", {added, config, special});
  (void)made->encode("Some text, \xc3\xbc 42 \xe4\xb8\xad[SEP]\xff");
  (void)made->decode(std::vector<int64_t>{0, made->size() - 1});
}
}  // namespace

FUZZ(input, read({reinterpret_cast<const char*>(input.data()), input.size()}))
