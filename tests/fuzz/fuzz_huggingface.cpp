#include "hadal/data/text/huggingface.h"

#include "tests/fuzz/fuzz.h"

namespace {
void read(std::string_view text) {
  const auto made = hadal::parse_huggingface(text, "input");
  (void)made->encode("Some text, \xc3\xbc 42 <0x41><|end|>\xff");
  (void)made->decode(std::vector<int64_t>{0, made->size() - 1});
}
}  // namespace

FUZZ(input, read({reinterpret_cast<const char*>(input.data()), input.size()}))
