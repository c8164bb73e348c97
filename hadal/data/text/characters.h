// A token a character: Unicode's code points, as many as the training text has.
#pragma once
#include <unordered_map>

#include "hadal/data/text/tokenizer.h"

namespace hadal {

struct CharactersConfig {
  std::string vocabulary;
  static Fields<CharactersConfig> fields();
};

/// Ids follow the order of `vocabulary`; an empty one is learned: every character of the text, sorted by code point.
class Characters : public Tokenizer {
 public:
  /// Throws Error when neither vocabulary nor text holds a character, FileError when they are not UTF-8.
  explicit Characters(const CharactersConfig& config, std::string_view training_text = {});
  std::vector<int64_t> encode(std::string_view text) const override;
  std::string decode(std::span<const int64_t> ids) const override;
  int64_t size() const override { return static_cast<int64_t>(characters_.size()); }
  Table settings() const override;

 private:
  std::vector<std::string> characters_;
  std::unordered_map<char32_t, int64_t> ids_;
};

void register_characters(TokenizerCatalog& catalog);

}  // namespace hadal
