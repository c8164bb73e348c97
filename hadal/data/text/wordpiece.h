// WordPiece (Schuster & Nakajima 2012; Wu et al. 2016, arXiv:1609.08144) as BERT has it: a word is the longest token
// that it begins with, then the longest that goes on, and so to its end; or else it is unknown as a whole.
#pragma once
#include "hadal/data/text/subword_tokenizer.h"

namespace hadal {

struct WordPieceRules {
  std::string prefix = "##";   // how tokens begin that go on with a word
  int64_t longest_word = 100;  // in characters; longer ones are unknown
};

class WordPieceTokenizer : public SubwordTokenizer {
 public:
  WordPieceTokenizer(SubwordParts parts, WordPieceRules rules);

 private:
  void encode_piece(std::string_view piece, std::vector<int64_t>& ids, std::vector<int32_t>& symbols) const override;
  bool spell(std::string_view word, std::vector<int64_t>& ids) const;

  WordPieceRules rules_;
  std::unordered_map<std::string_view, int32_t> later_;  // without their prefix
  size_t longest_ = 0;                                   // bytes of the longest token
};

}  // namespace hadal
