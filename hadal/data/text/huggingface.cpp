#include "hadal/data/text/huggingface.h"

#include <algorithm>

#include "hadal/data/text/bpe_tokenizer.h"
#include "hadal/data/text/huggingface_steps.h"
#include "hadal/data/text/wordpiece.h"

namespace hadal {
namespace {

using Made = std::shared_ptr<const SubwordTokenizer>;

/// Tokens by id. Ids may leave gaps, but not so that a few tokens ask for all memory.
std::vector<std::string> read_vocabulary(const JsonValue& value) {
  const auto count = static_cast<int64_t>(value.table().size());
  std::vector<std::string> tokens;
  for (const auto& [token, id] : value.raw().items()) {
    const auto place = JsonValue(id, value.name(), "model.vocab entry").integer(0, count * 4 + 65536);
    if (place >= static_cast<int64_t>(tokens.size())) tokens.resize(static_cast<size_t>(place) + 1);
    if (!tokens[static_cast<size_t>(place)].empty()) value.fail_here(fmt::format("gives the id {} twice", place));
    tokens[static_cast<size_t>(place)] = token;
  }
  return tokens;
}

/// Merges are "a b", or ["a", "b"] in newer files.
std::vector<BpeMerge> read_merges(const JsonValue& value, const std::vector<std::string>& tokens) {
  std::unordered_map<std::string_view, int32_t> ids;
  for (size_t i = 0; i < tokens.size(); ++i) ids.emplace(tokens[i], static_cast<int32_t>(i));
  std::vector<BpeMerge> merges;
  for (size_t i = 0; i < value.list().size(); ++i) {
    const auto item = value.at(i);
    std::string left, right;
    if (item.raw().is_array()) {
      if (item.size() != 2) item.fail_here(fmt::format("has {} parts, expected 2", item.size()));
      left = item.at(0).text(), right = item.at(1).text();
    } else {
      const auto& both = item.text();
      const auto space = both.find(' ');
      if (space == std::string::npos) item.fail_here("is no pair: it has no space");
      left = both.substr(0, space), right = both.substr(space + 1);
    }
    const auto id = [&](const std::string& token) {
      const auto found = ids.find(token);
      if (token.empty() || found == ids.end())
        item.fail_here(fmt::format("makes or takes \"{}\", which the vocabulary does not have", token));
      return found->second;
    };
    merges.push_back({id(left), id(right), id(left + right), static_cast<int32_t>(i)});
  }
  return merges;
}

std::vector<AddedToken> read_added(const JsonValue& value, size_t tokens) {
  std::vector<AddedToken> added;
  const auto most = static_cast<int64_t>(tokens + value.list().size()) * 4 + 65536;
  for (size_t i = 0; i < value.size(); ++i) {
    const auto item = value.at(i);
    added.push_back({item.at("content").text(), item.at("id").integer(0, most), item.flag_or("normalized", false),
                     item.flag_or("single_word", false), item.flag_or("lstrip", false), item.flag_or("rstrip", false)});
    if (added.back().text.empty()) item.fail_here("is an empty token");
  }
  return added;
}

/// The first token that the template puts before a text. Where there is no template it goes by its usual names.
std::optional<int64_t> read_begin(const JsonValue& root, const std::vector<AddedToken>& added) {
  std::vector<std::string> names = {"<s>", "<|begin_of_text|>"};
  if (root.has("post_processor"))
    for_each_step(root.at("post_processor"), "processors", [&](const JsonValue& value) {
      const auto& type = value.at("type").text();
      if (type == "BertProcessing") names = {value.at("cls").list().at(0).text()};
      if (type != "TemplateProcessing") return;
      names.clear();
      const auto single = value.at("single");
      if (!single.list().raw().empty() && single.at(0).has("SpecialToken"))
        names.push_back(single.at(0).at("SpecialToken").at("id").text());
    });
  for (const auto& name : names)
    for (const auto& token : added)
      if (token.text == name) return token.id;
  return std::nullopt;
}

Made make_bpe(const JsonValue& model, SubwordParts subwords, bool byte_level) {
  for (const auto* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.text_or(key, "").empty()) model.at(key).fail_here("is a setting that Hadal does not have");
  BpeParts parts;
  parts.rules = {.bytes = byte_level,
                 .some_bytes = true,
                 .whole_pieces = model.flag_or("ignore_merges", false),
                 .byte_fallback = model.flag_or("byte_fallback", false) && !byte_level,
                 .fuse_unknown = model.flag_or("fuse_unk", false)};
  parts.merges = read_merges(model.at("merges"), subwords.tokens);
  if (byte_level)
    for (auto& token : subwords.tokens)
      if (auto bytes = bytes_from_stand_ins(token)) token = *std::move(bytes);
  parts.subwords = std::move(subwords);
  return std::make_shared<const BpeTokenizer>(std::move(parts));
}

Made make_wordpiece(const JsonValue& model, SubwordParts subwords) {
  WordPieceRules rules;
  rules.prefix = model.text_or("continuing_subword_prefix", rules.prefix);
  if (model.has("max_input_chars_per_word"))
    rules.longest_word = model.at("max_input_chars_per_word").integer(0, int64_t{1} << 40);
  return std::make_shared<const WordPieceTokenizer>(std::move(subwords), std::move(rules));
}

}  // namespace

std::shared_ptr<const SubwordTokenizer> make_huggingface(const JsonValue& root, Table settings) {
  const auto model = root.table().at("model");
  // Old files do not name the kind: those that merge are byte pairs.
  const auto type = model.table().text_or("type", model.has("max_input_chars_per_word") ? "WordPiece" : "BPE");
  if (type != "BPE" && type != "WordPiece")
    model.at("type").fail_here(fmt::format("= \"{}\"; Hadal reads byte-pair encodings (BPE) and WordPiece", type));
  bool byte_level = false;
  SubwordParts parts;
  parts.name = root.name();
  parts.settings = std::move(settings);
  parts.steps = read_subword_steps(root, byte_level);
  parts.tokens = read_vocabulary(model.at("vocab"));
  const auto unknown = model.text_or("unk_token", type == "WordPiece" ? "[UNK]" : "");
  if (const auto found = std::find(parts.tokens.begin(), parts.tokens.end(), unknown);
      !unknown.empty() && found != parts.tokens.end())
    parts.unknown = static_cast<int32_t>(found - parts.tokens.begin());
  if (root.has("added_tokens")) parts.added = read_added(root.at("added_tokens"), parts.tokens.size());
  parts.begin = read_begin(root, parts.added);
  return type == "BPE" ? make_bpe(model, std::move(parts), byte_level) : make_wordpiece(model, std::move(parts));
}

std::shared_ptr<const SubwordTokenizer> parse_huggingface(std::string_view json, std::string_view name,
                                                          const AddedTokenFiles& beside, Table settings) {
  auto whole = parse_json(json, name);
  if (!beside.empty()) add_tokens(whole, beside, name);
  return make_huggingface(JsonValue(whole, name), std::move(settings));
}

}  // namespace hadal
