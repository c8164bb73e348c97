// SentencePiece models (Kudo & Richardson 2018, arXiv:1808.06226), read and run by their own library.
#pragma once
#include "hadal/data/text/tokenizer.h"

namespace hadal {

/// From a serialised model (the bytes of tokenizer.model). Throws FileError where it is none, Error in a build without
/// the library.
std::shared_ptr<const Tokenizer> parse_sentencepiece(std::string_view model, std::string_view name,
                                                     Table settings = {});

void register_sentencepiece(TokenizerCatalog& catalog);

}  // namespace hadal
