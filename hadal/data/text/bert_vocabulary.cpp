// BERT's vocab.txt: written out as the tokenizer.json that says the same.
#include <algorithm>
#include <charconv>

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
Json read_lines(std::string_view text) {
  auto entries = Json::object();
  int64_t id = 0;
  for (size_t at = 0; at < text.size(); ++id) {
    const auto end = std::min(text.find('\n', at), text.size());
    entries[std::string(without_end_spaces(text.substr(at, end - at)))] = id;
    at = end + 1;
  }
  return entries;
}

Json parse_beside(const TokenizerFile& file) {
  return file.text.empty() ? Json::object() : parse_json(file.text, file.name);
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

/// "added_tokens_decoder" of newer files: {"5": {"content": "[X]", ...}}.
void read_added(const JsonValue& value, Json& added) {
  for (const auto& [key, token] : value.table().raw().items()) {
    int64_t id = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || !token.is_object())
      value.fail_here(fmt::format("has {}, which is no id and its token", shown(key)));
    added.push_back(token);
    added.back()["id"] = id;
  }
}

}  // namespace

std::shared_ptr<const SubwordTokenizer> parse_bert_vocabulary(const TokenizerFile& vocab, const TokenizerFile& config,
                                                              const TokenizerFile& special, Table settings) {
  check_utf8(vocab.text, vocab.name);
  const auto vocabulary = read_lines(vocab.text);
  const auto config_json = parse_beside(config), special_json = parse_beside(special);
  const JsonValue said(config_json, config.name), marks(special_json, special.name);

  auto added = Json::array();
  if (said.table().has("added_tokens_decoder")) read_added(said.at("added_tokens_decoder"), added);
  std::map<std::string, std::string> tokens;
  for (const auto& [kind, usual] :
       {std::pair{"unk", "[UNK]"}, {"sep", "[SEP]"}, {"pad", "[PAD]"}, {"cls", "[CLS]"}, {"mask", "[MASK]"}}) {
    const auto& token = tokens[kind] = token_named(fmt::format("{}_token", kind), usual, {said, marks});
    const bool known = std::any_of(added.begin(), added.end(),
                                   [&](const Json& item) { return item.value("content", Json()) == token; });
    if (!known && vocabulary.contains(token)) added.push_back({{"content", token}, {"id", vocabulary[token]}});
  }
  if (!vocabulary.contains(tokens["unk"]))
    throw FileError(vocab.name, fmt::format("no line is {}, the token for what is unknown: a vocab.txt of BERT has one",
                                            shown(tokens["unk"])));
  const bool lower = said.flag_or("do_lower_case", !has_capitals(vocabulary));
  const Json whole = {
      {"added_tokens", added},
      {"normalizer",
       {{"type", "BertNormalizer"},
        {"handle_chinese_chars", said.flag_or("tokenize_chinese_chars", true)},
        {"strip_accents", said.flag_or("strip_accents", lower)},
        {"lowercase", lower}}},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"post_processor", {{"type", "BertProcessing"}, {"cls", Json::array({tokens["cls"]})}}},
      {"decoder", {{"type", "WordPiece"}}},
      {"model", {{"type", "WordPiece"}, {"unk_token", tokens["unk"]}, {"vocab", vocabulary}}},
  };
  return make_huggingface(JsonValue(whole, vocab.name), std::move(settings));
}

}  // namespace hadal
