#include "hadal/data/text/characters.h"

#include <set>

#include "hadal/core/utf8.h"

namespace hadal {

Fields<CharactersConfig> CharactersConfig::fields() {
  return {{"vocabulary", &CharactersConfig::vocabulary,
           "every character there is, in the order of the ids (default: those of the text, all splits)"}};
}

Characters::Characters(const CharactersConfig& config, std::string_view training_text) {
  const auto add = [&](char32_t code) {
    if (ids_.emplace(code, size()).second) characters_.push_back(to_utf8(code));
  };
  const auto each = [](std::string_view text, const char* name, const auto& take) {
    check_utf8(text, name);
    for (size_t at = 0; at < text.size();) {
      const auto [code, length] = character_at(text, at);
      take(code);
      at += length;
    }
  };
  if (!config.vocabulary.empty()) {
    each(config.vocabulary, "tokenizer.vocabulary", add);
  } else {
    std::set<char32_t> found;
    each(training_text, "the training text", [&](char32_t code) { found.insert(code); });
    for (const auto code : found) add(code);
  }
  if (characters_.empty()) fail("[characters] there is no text to take the characters from, and no vocabulary");
}

std::vector<int64_t> Characters::encode(std::string_view text) const {
  check_utf8(text, "the text");
  std::vector<int64_t> ids;
  ids.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const auto [code, length] = character_at(text, at);
    const auto found = ids_.find(code);
    if (found == ids_.end())
      fail("[characters] \"{}\" (U+{:04X}) at byte {} is not one of the {} characters that the model knows",
           text.substr(at, length), static_cast<uint32_t>(code), at, size());
    ids.push_back(found->second);
    at += length;
  }
  return ids;
}

std::string Characters::decode(std::span<const int64_t> ids) const {
  check_ids(ids, size());
  std::string text;
  for (const auto id : ids) text += characters_[static_cast<size_t>(id)];
  return text;
}

Table Characters::settings() const {
  std::string all;
  for (const auto& character : characters_) all += character;
  return {{"vocabulary", all}};
}

void register_characters(TokenizerCatalog& catalog) {
  catalog.add("characters", "a token a character", CharactersConfig{},
              [](const CharactersConfig& config, std::string_view text) -> std::shared_ptr<const Tokenizer> {
                return std::make_shared<Characters>(config, text);
              });
}

}  // namespace hadal
