#include "hadal/data/text/added_tokens.h"

#include <charconv>
#include <map>
#include <set>

#include "hadal/io/bytes.h"
#include "hadal/io/json.h"

namespace hadal {
namespace {

using nlohmann::json;

/// What special_tokens_map.json and tokenizer_config.json call special tokens: a text, a table with its text, or a
/// list.
constexpr const char* kSpecial[] = {"bos_token", "eos_token", "unk_token",  "sep_token",
                                    "pad_token", "cls_token", "mask_token", "additional_special_tokens"};

/// Tokens that are added to those that `whole`, in the form of tokenizer.json, has. The first word on a token counts.
class Additions {
 public:
  Additions(json& whole, std::string_view name) : whole_(whole) {
    for (const auto& [token, id] : whole["model"]["vocab"].items())
      if (id.is_number_integer()) vocabulary_.emplace(token, id.get<int64_t>());
    auto& list = whole["added_tokens"];
    if (list.is_null()) list = json::array();
    const JsonValue given(list, name, "added_tokens");
    for (size_t i = 0; i < given.list().size(); ++i) known_.insert(given.at(i).at("content").text());
  }

  /// added_tokens.json: {TEXT: ID}.
  void take_ids(const JsonValue& file) {
    for (const auto& [text, id] : file.table().raw().items())
      add(file, {{"content", text}}, JsonValue(id, file.name(), text).integer(0, INT32_MAX));
  }
  /// tokenizer_config.json's added_tokens_decoder, {ID: {"content": TEXT, ...}}.
  void take_decoder(const JsonValue& file) {
    if (!file.table().has("added_tokens_decoder")) return;
    const auto decoder = file.at("added_tokens_decoder");
    for (const auto& [key, token] : decoder.table().raw().items()) {
      int64_t id = -1;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
      if (error != std::errc() || end != key.data() + key.size() || id < 0)
        decoder.fail_here(fmt::format("has {} for the number of a token", shown(key)));
      (void)decoder.at(key).at("content").text();
      add(decoder, token, id);
    }
  }
  /// Special tokens of the vocabulary. One that no file numbers has no place, and is left out.
  void take_special(const JsonValue& file) {
    const auto take = [&](const JsonValue& token) {
      auto item = token.raw().is_object() ? token.raw() : json{{"content", token.text()}};
      const auto text = JsonValue(item, file.name()).at("content").text();
      if (const auto found = vocabulary_.find(text); found != vocabulary_.end()) add(file, item, found->second);
    };
    for (const auto* key : kSpecial) {
      if (!file.table().has(key)) continue;
      const auto value = file.at(key);
      if (!value.raw().is_array()) take(value);
      for (size_t i = 0; value.raw().is_array() && i < value.size(); ++i) take(value.at(i));
    }
  }

 private:
  void add(const JsonValue& file, json token, int64_t id) {
    const auto text = token.at("content").get<std::string>();
    if (text.empty() || !known_.insert(text).second) return;
    const auto found = vocabulary_.find(text);
    if (found != vocabulary_.end() && found->second != id)
      file.fail_here(fmt::format("gives {} the number {}, and the vocabulary {}", shown(text), id, found->second));
    token["id"] = id;
    whole_["added_tokens"].push_back(std::move(token));
  }

  json& whole_;
  std::map<std::string, int64_t> vocabulary_;
  std::set<std::string> known_;
};

}  // namespace

std::string beside_name(std::string_view file, std::string_view name) {
  return fmt::format("{} beside {}", file, name);
}

void add_tokens(json& whole, const AddedTokenFiles& beside, std::string_view name) {
  const json::json_pointer vocabulary("/model/vocab");
  if (!whole.is_object() || !whole.contains(vocabulary) || !whole.at(vocabulary).is_object()) return;  // said later
  Additions additions(whole, name);
  const auto read = [&](const std::string& text, const char* file, const auto& take) {
    if (text.empty()) return;
    const auto place = beside_name(file, name);
    const auto parsed = parse_json(text, place);
    take(JsonValue(parsed, place));
  };
  read(beside.config, "tokenizer_config.json", [&](const JsonValue& file) { additions.take_decoder(file); });
  read(beside.added, "added_tokens.json", [&](const JsonValue& file) { additions.take_ids(file); });
  read(beside.special, "special_tokens_map.json", [&](const JsonValue& file) { additions.take_special(file); });
  read(beside.config, "tokenizer_config.json", [&](const JsonValue& file) { additions.take_special(file); });
}

}  // namespace hadal
