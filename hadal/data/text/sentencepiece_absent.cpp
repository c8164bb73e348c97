#include "hadal/data/text/sentencepiece.h"

namespace hadal {

std::shared_ptr<const Tokenizer> parse_sentencepiece(std::string_view, std::string_view name, Table) {
  throw FileError(name,
                  "this build of Hadal has no SentencePiece (core alone, or beside a LibTorch that its library "
                  "breaks); a tokenizer.json "
                  "is read by all");
}

}  // namespace hadal
