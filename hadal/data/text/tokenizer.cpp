#include "hadal/data/text/tokenizer.h"

#include "hadal/data/text/bpe_tokenizer.h"
#include "hadal/data/text/characters.h"
#include "hadal/data/text/huggingface.h"
#include "hadal/data/text/sentencepiece.h"

namespace hadal {

const TokenizerCatalog& tokenizers() {
  static const auto catalog = [] {
    TokenizerCatalog made("tokenizer", "tokenizer");
    register_characters(made);
    register_bpe(made);
    register_huggingface(made);
    register_sentencepiece(made);
    return made;
  }();
  return catalog;
}

void check_ids(std::span<const int64_t> ids, int64_t size) {
  for (const auto id : ids)
    if (id < 0 || id >= size) fail("[tokenizer] there is no token {}; ids are 0 to {}", id, size - 1);
}

}  // namespace hadal
