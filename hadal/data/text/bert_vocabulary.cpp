// BERT's vocab.txt: written out as the tokenizer.json that says the same.
#include <algorithm>

#include "hadal/core/utf8.h"
#include "hadal/data/text/huggingface.h"
#include "hadal/data/text/unicode.h"
#include "hadal/io/bytes.h"

namespace hadal {
namespace {

using Json = nlohmann::json;

std::string_view without_end_spaces(std::string_view line) {
  size_t end = 0;
  for (size_t at = 0; at < line.size();) {
    const auto [code, length] = any_character_at(line, at);
    at += length;
    if (char_kind(code) != CharKind::space) end = at;
  }
  return line.substr(0, end);
}

/// Ids are the lines' numbers from 0; of a token that stands there twice the last counts.
Json words_by_line(std::string_view text) {
  auto entries = Json::object();
  int64_t id = 0;
  for (size_t at = 0; at < text.size(); ++id) {
    const auto end = std::min(text.find('\n', at), text.size());
    entries[std::string(without_end_spaces(text.substr(at, end - at)))] = id;
    at = end + 1;
  }
  return entries;
}

/// "unk_token" and its like: a text, or a table with its "content".
std::string token_named(const std::string& key, const std::string& otherwise, std::initializer_list<JsonValue> files) {
  for (const auto& file : files) {
    if (!file.table().has(key)) continue;
    const auto value = file.at(key);
    return value.raw().is_object() ? value.at("content").text() : value.text();
  }
  return otherwise;
}

/// A vocabulary of lower-cased texts has no capitals but in marks like [CLS].
bool has_capitals(const Json& vocabulary) {
  const auto is_capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  for (const auto& [token, id] : vocabulary.items())
    if (!token.starts_with('[') && std::any_of(token.begin(), token.end(), is_capital)) return true;
  return false;
}

}  // namespace

std::shared_ptr<const SubwordTokenizer> parse_bert_vocabulary(std::string_view vocab, std::string_view name,
                                                              const AddedTokenFiles& beside, Table settings) {
  check_utf8(vocab, name);
  const auto vocabulary = words_by_line(vocab);
  const auto config_name = beside_name("tokenizer_config.json", name);
  const auto special_name = beside_name("special_tokens_map.json", name);
  const auto config = beside.config.empty() ? Json::object() : parse_json(beside.config, config_name);
  const auto special = beside.special.empty() ? Json::object() : parse_json(beside.special, special_name);
  const JsonValue said(config, config_name), marks(special, special_name);

  auto tokens = Json::object();
  for (const auto& [kind, usual] : {std::pair{"unk_token", "[UNK]"},
                                    {"sep_token", "[SEP]"},
                                    {"pad_token", "[PAD]"},
                                    {"cls_token", "[CLS]"},
                                    {"mask_token", "[MASK]"}})
    tokens[kind] = token_named(kind, usual, {said, marks});
  if (!vocabulary.contains(tokens["unk_token"].get<std::string>()))
    throw FileError(name, fmt::format("no line is {}, the token for what is unknown: a vocab.txt of BERT has one",
                                      shown(tokens["unk_token"].get<std::string>())));
  const bool lower = said.flag_or("do_lower_case", !has_capitals(vocabulary));
  Json whole = {
      {"added_tokens", Json::array()},
      {"normalizer",
       {{"type", "BertNormalizer"},
        {"handle_chinese_chars", said.flag_or("tokenize_chinese_chars", true)},
        {"strip_accents", said.flag_or("strip_accents", lower)},
        {"lowercase", lower}}},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"post_processor", {{"type", "BertProcessing"}, {"cls", Json::array({tokens["cls_token"]})}}},
      {"decoder", {{"type", "WordPiece"}}},
      {"model", {{"type", "WordPiece"}, {"unk_token", tokens["unk_token"]}, {"vocab", vocabulary}}},
  };
  add_tokens(whole, beside, name);
  add_tokens(whole, {.special = tokens.dump()}, name);  // BERT's usual ones, which no file need name
  return make_huggingface(JsonValue(whole, name), std::move(settings));
}

}  // namespace hadal
