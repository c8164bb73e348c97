// Byte-pair encodings, wherever they come from: trained here, GPT-2's two files, tiktoken's ranks, Hugging Face's
// tokenizer.json (huggingface.h). Pieces of a text are merged from bytes or characters.
#pragma once
#include "hadal/data/text/bpe.h"
#include "hadal/data/text/subword_tokenizer.h"

namespace hadal {

struct BpeRules {
  bool bytes = true;           // symbols are bytes; false: characters
  bool some_bytes = false;     // not every byte has a token: those that a text in UTF-8 never has need none
  bool whole_pieces = false;   // a piece that is a token is that token, whatever its merges give
  bool byte_fallback = false;  // a character without a token becomes its bytes' <0xNN>
  bool fuse_unknown = false;   // several unknown characters in a row are one unknown token
};

struct BpeParts {
  SubwordParts subwords;
  std::vector<BpeMerge> merges;
  BpeRules rules;
};

class BpeTokenizer : public SubwordTokenizer {
 public:
  explicit BpeTokenizer(BpeParts parts);

 private:
  void encode_piece(std::string_view piece, std::vector<int64_t>& ids, std::vector<int32_t>& symbols) const override;
  void add_byte(char byte, std::vector<int32_t>& symbols) const;
  void add_character(std::string_view character, std::vector<int32_t>& symbols) const;
  void add_unknown(std::string_view what, std::vector<int32_t>& symbols) const;

  BpeMerges merges_;
  BpeRules rules_;
  std::vector<int32_t> byte_ids_;  // of the 256 bytes, or of <0x00> to <0xFF>, -1: none; empty where there are none
};

/// tiktoken's ranks: a line a token, its bytes in base64 and its id; ids go up and may leave small gaps. `pattern` is
/// "gpt2", "cl100k", "o200k" or a regular expression; a special token is TEXT=ID, or TEXT for the next id behind all.
std::shared_ptr<const BpeTokenizer> parse_tiktoken(std::string_view ranks, const std::string& pattern,
                                                   const std::vector<std::string>& special, std::string_view name,
                                                   Table settings = {});
/// A byte-level encoding with GPT-2's pattern, learned from `text`. `merges` are those of an earlier training: then
/// nothing is learned.
struct BpeTrainingConfig {
  int64_t size = 8000, least = 2;
  std::vector<std::string> merges;

  static Fields<BpeTrainingConfig> fields();
};
std::shared_ptr<const BpeTokenizer> make_trained_bpe(const BpeTrainingConfig& config, std::string_view text);

void register_bpe(TokenizerCatalog& catalog);

}  // namespace hadal
