// Byte-pair encodings, wherever they come from: trained here, GPT-2's two files, tiktoken's ranks, Hugging Face's
// tokenizer.json. A text is normalised, cut into pieces, and each piece is merged from bytes or characters.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <unordered_map>

#include "hadal/data/text/bpe.h"
#include "hadal/data/text/tokenizer.h"

namespace hadal {

/// A token that is found in the text before anything else happens to it.
struct AddedToken {
  std::string text;
  int64_t id = 0;
  bool normalized = false;  // looked for in the normalised text
  bool single_word = false, lstrip = false, rstrip = false;
};

/// What a byte-pair encoding does besides merging.
struct BpeSteps {
  using Sink = std::function<void(std::string_view piece)>;
  using Normalize = std::function<std::string(std::string text)>;
  /// `first` is true for what begins the whole text.
  using Cut = std::function<void(std::string_view text, bool first, const Sink& sink)>;
  using Decode = std::function<void(std::vector<std::string>& tokens)>;

  std::vector<Normalize> normalize;
  std::vector<Cut> cut;
  std::vector<Decode> decode;  // works on the list of tokens; what is left is joined
};

struct BpeParts {
  BpeVocabulary vocabulary;
  std::vector<AddedToken> added;
  BpeSteps steps;
  bool bytes = true;           // symbols are bytes; false: characters
  bool some_bytes = false;     // not every byte has a token: those that a text in UTF-8 never has need none
  bool whole_pieces = false;   // a piece that is a token is that token, whatever its merges give
  bool byte_fallback = false;  // a character without a token becomes its bytes' <0xNN>
  bool fuse_unknown = false;   // several unknown characters in a row are one unknown token
  std::optional<int32_t> unknown;
  std::optional<int64_t> begin;  // what stands before every text
  Table settings;
  std::string name;  // for messages
};

class BpeTokenizer : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeParts parts);
  BpeTokenizer(const BpeTokenizer&) = delete;
  BpeTokenizer& operator=(const BpeTokenizer&) = delete;
  std::vector<int64_t> encode(std::string_view text) const override;
  std::string decode(std::span<const int64_t> ids) const override;
  int64_t size() const override { return size_; }
  std::optional<int64_t> special(std::string_view token) const override;
  std::optional<int64_t> begin() const override { return parts_.begin; }
  Table settings() const override { return parts_.settings; }
  const BpeParts& parts() const { return parts_; }

 private:
  struct Encoding;
  struct Hit {
    size_t begin, end;
    int64_t id;
  };
  std::optional<Hit> find_added(std::string_view text, size_t from, bool normalized) const;
  void encode_plain(std::string_view text, Encoding& to) const;
  void encode_piece(std::string_view piece, Encoding& to) const;
  void add_byte(char byte, std::vector<int32_t>& symbols) const;
  void add_character(std::string_view character, std::vector<int32_t>& symbols) const;
  void add_unknown(const std::string& what, std::vector<int32_t>& symbols) const;

  BpeParts parts_;
  BpeMerges merges_;
  int64_t size_;
  std::unordered_map<std::string_view, int32_t> ids_;
  std::vector<int32_t> byte_ids_;  // of the 256 bytes, or of <0x00> to <0xFF>, -1: none; empty where there are none
  struct Added {
    std::unordered_map<std::string, AddedToken> tokens;
    std::vector<size_t> lengths[256];         // of those that begin with a byte, the longest first
  } added_[2];                                // looked for in the text as it is, and when it is normalised
  std::vector<const std::string*> literals_;  // of every id: an added token's text, else its bytes
};

/// The texts of files that may lie beside a tokenizer's own and add tokens to it; empty where there is none.
struct AddedTokenFiles {
  std::string added, config, special;  // added_tokens.json, tokenizer_config.json, special_tokens_map.json
  bool empty() const { return added.empty() && config.empty() && special.empty(); }
};

/// tokenizer.json of Hugging Face's tokenizers, with a BPE model. Special tokens that its template puts around a text
/// are not put there; the first before it is begin(). Throws FileError for any other model and for steps that Hadal
/// does not have.
std::shared_ptr<const BpeTokenizer> parse_huggingface(std::string_view json, std::string_view name,
                                                      const AddedTokenFiles& beside = {});
/// GPT-2's `vocab.json` and `merges.txt`.
std::shared_ptr<const BpeTokenizer> parse_gpt2(std::string_view vocab, std::string_view merges, std::string_view name,
                                               const AddedTokenFiles& beside = {});
/// tiktoken's ranks: a line a token, its bytes in base64 and its id; ids go up and may leave small gaps. `pattern` is
/// "gpt2", "cl100k", "o200k" or a regular expression; a special token is TEXT=ID, or TEXT for the next id behind all.
std::shared_ptr<const BpeTokenizer> parse_tiktoken(std::string_view ranks, const std::string& pattern,
                                                   const std::vector<std::string>& special, std::string_view name);
/// tokenizer.json, or a folder with it or with GPT-2's two files and with those that add tokens.
std::shared_ptr<const BpeTokenizer> read_huggingface(const std::filesystem::path& path);

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
