// Tokenizers that look for added tokens, normalise what is between them, cut it into pieces, and make each piece of
// tokens of a vocabulary: what byte-pair encodings and WordPiece share.
#pragma once
#include <functional>
#include <unordered_map>

#include "hadal/data/text/tokenizer.h"

namespace hadal {

/// A token that is found in the text before anything else happens to it.
struct AddedToken {
  std::string text;
  int64_t id = 0;
  bool normalized = false;  // looked for in the normalised text
  bool single_word = false, lstrip = false, rstrip = false;
};

/// What happens to a text besides finding its pieces in the vocabulary.
struct SubwordSteps {
  using Sink = std::function<void(std::string_view piece)>;
  using Normalize = std::function<std::string(std::string text)>;
  /// `first` is true for what begins the whole text.
  using Cut = std::function<void(std::string_view text, bool first, const Sink& sink)>;
  using Decode = std::function<void(std::vector<std::string>& tokens)>;

  std::vector<Normalize> normalize;
  std::vector<Cut> cut;
  std::vector<Decode> decode;  // works on the list of tokens; what is left is joined
};

struct SubwordParts {
  std::vector<std::string> tokens;  // by id; empty: there is none
  std::vector<AddedToken> added;
  SubwordSteps steps;
  std::optional<int32_t> unknown;
  std::optional<int64_t> begin;  // what stands before every text
  Table settings;
  std::string name;  // for messages
};

class SubwordTokenizer : public Tokenizer {
 public:
  SubwordTokenizer(const SubwordTokenizer&) = delete;
  SubwordTokenizer& operator=(const SubwordTokenizer&) = delete;
  std::vector<int64_t> encode(std::string_view text) const override;
  std::string decode(std::span<const int64_t> ids) const override;
  int64_t size() const override { return size_; }
  std::optional<int64_t> special(std::string_view token) const override;
  std::optional<int64_t> begin() const override { return subwords_.begin; }
  Table settings() const override { return subwords_.settings; }
  /// By id.
  const std::vector<std::string>& tokens() const { return subwords_.tokens; }

 protected:
  explicit SubwordTokenizer(SubwordParts parts);
  /// Adds the ids of a piece, which is not empty. `symbols` is room to work in.
  virtual void encode_piece(std::string_view piece, std::vector<int64_t>& ids, std::vector<int32_t>& symbols) const = 0;
  /// -1: the vocabulary has no such token.
  int32_t find(std::string_view token) const;
  /// The id of what is unknown; throws Error where the vocabulary has none.
  int32_t unknown(std::string_view what) const;
  const std::string& name() const { return subwords_.name; }

 private:
  struct Encoding;
  struct Hit {
    size_t begin, end;
    int64_t id;
  };
  std::optional<Hit> find_added(std::string_view text, size_t from, bool normalized) const;
  void encode_plain(std::string_view text, Encoding& to) const;

  SubwordParts subwords_;
  int64_t size_;
  std::unordered_map<std::string_view, int32_t> ids_;
  struct Added {
    std::unordered_map<std::string, AddedToken> tokens;
    std::vector<size_t> lengths[256];         // of those that begin with a byte, the longest first
  } added_[2];                                // looked for in the text as it is, and when it is normalised
  std::vector<const std::string*> literals_;  // of every id: an added token's text, else its bytes
};

}  // namespace hadal
