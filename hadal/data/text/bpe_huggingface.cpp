// Hugging Face's tokenizer.json: which steps it names, and what they do.
#include "hadal/data/text/bpe_huggingface.h"

#include <algorithm>

#include "hadal/data/text/text_split.h"
#include "hadal/data/text/unicode.h"
#include "hadal/io/json.h"

namespace hadal {
namespace {

using Sink = BpeSteps::Sink;

std::string replace_all(std::string_view text, std::string_view old, std::string_view with) {
  std::string out;
  size_t at = 0;
  for (auto hit = text.find(old); hit != std::string_view::npos; hit = text.find(old, at)) {
    out.append(text.substr(at, hit - at)).append(with);
    at = hit + old.size();
  }
  return out.append(text.substr(at));
}

/// A "pattern" is {"String": "..."} or {"Regex": "..."}.
struct Pattern {
  std::string literal;
  std::shared_ptr<const TextPattern> regex;

  explicit Pattern(const JsonValue& value) {
    if (value.table().has("Regex")) {
      regex = std::make_shared<const TextPattern>(value.at("Regex").text(), PatternSyntax::oniguruma, value.name());
    } else {
      literal = value.at("String").text();
      if (literal.empty()) value.at("String").fail_here("is empty");
    }
  }
  void find_all(std::string_view text, const std::function<void(const TextPattern::Match&)>& found) const {
    if (regex) return regex->find_all(text, found);
    for (size_t at = text.find(literal); at != std::string_view::npos; at = text.find(literal, at + literal.size()))
      found({at, at + literal.size()});
  }
  std::string replaced(std::string_view text, std::string_view with) const {
    std::string out;
    size_t end = 0;
    find_all(text, [&](const TextPattern::Match& match) {
      out.append(text.substr(end, match.begin - end)).append(with);
      end = match.end;
    });
    return out.append(text.substr(end));
  }
};

void for_each_step(const JsonValue& value, const char* list, const std::function<void(const JsonValue&)>& use) {
  if (value.table().at("type").text() != "Sequence") return use(value);
  const auto steps = value.at(list);
  for (size_t i = 0; i < steps.list().size(); ++i) {
    if (steps.at(i).at("type").text() == "Sequence") steps.at(i).fail_here("is a sequence inside a sequence");
    use(steps.at(i));
  }
}

[[noreturn]] void unknown_step(const JsonValue& value, const char* kind, const char* known) {
  value.at("type").fail_here(
      fmt::format("= \"{}\" is a {} that Hadal does not have; it has {}", value.at("type").text(), kind, known));
}

std::string stripped(const std::string& text, bool left, bool right) {
  size_t begin = text.size(), end = 0;  // of what is no space
  for (size_t at = 0; at < text.size();) {
    const auto [code, length] = any_character_at(text, at);
    if (char_kind(code) != CharKind::space) {
      begin = std::min(begin, at);
      end = at + length;
    }
    at += length;
  }
  if (!left) begin = 0;
  if (!right) end = text.size();
  return text.substr(std::min(begin, end), end - std::min(begin, end));
}

BpeSteps::Normalize read_normalizer(const JsonValue& value) {
  const auto& type = value.at("type").text();
  if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD" || type == "Lowercase") {
    if (!has_unicode_library()) unicode_form("", type);  // says so now, not in the middle of a text
    return [form = type == "Lowercase" ? std::string("lower") : type](const std::string& text) {
      return unicode_form(text, form);
    };
  }
  if (type == "Prepend")
    return [what = value.at("prepend").text()](std::string text) { return text.empty() ? text : what + text; };
  if (type == "Replace")
    return [pattern = Pattern(value.at("pattern")), with = value.at("content").text()](const std::string& text) {
      return pattern.replaced(text, with);
    };
  if (type == "Strip")
    return [left = value.at("strip_left").flag(), right = value.at("strip_right").flag()](const std::string& text) {
      return stripped(text, left, right);
    };
  unknown_step(value, "normalizer", "NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip and Sequence");
}

void cut_gpt2(std::string_view text, const Sink& sink) {
  for (size_t at = 0; at < text.size();) {
    const auto end = gpt2_piece_end(text, at);
    sink(text.substr(at, end - at));
    at = end;
  }
}

BpeSteps::Cut byte_level_cut(bool prefix, bool pattern) {
  return [=](std::string_view text, bool, const Sink& sink) {
    const auto go = [&](std::string_view whole) { pattern ? cut_gpt2(whole, sink) : sink(whole); };
    prefix && !text.starts_with(' ') ? go(" " + std::string(text)) : go(text);
  };
}

/// What happens to a match: it goes, stands alone, or joins a neighbour.
BpeSteps::Cut split_cut(Pattern pattern, const std::string& behavior, bool invert) {
  struct Span {
    size_t begin, end;
    bool match;
  };
  return [=](std::string_view text, bool, const Sink& sink) {
    std::vector<Span> spans;
    size_t end = 0;
    const auto between = [&](size_t to) {
      if (to > end) spans.push_back({end, to, invert});
    };
    pattern.find_all(text, [&](const TextPattern::Match& match) {
      between(match.begin);
      spans.push_back({match.begin, match.end, !invert});
      end = match.end;
    });
    between(text.size());
    std::vector<Span> out;
    for (const auto& span : spans) {
      const bool onto_last = !out.empty() && ((behavior == "MergedWithPrevious" && span.match && !out.back().match) ||
                                              (behavior == "MergedWithNext" && !span.match && out.back().match) ||
                                              (behavior == "Contiguous" && span.match == out.back().match));
      if (onto_last) {
        out.back().end = span.end;
        if (behavior == "MergedWithPrevious") out.back().match = true;
        if (behavior == "MergedWithNext") out.back().match = false;
      } else if (behavior != "Removed" || !span.match) {
        out.push_back(span);
      }
    }
    for (const auto& span : out) sink(text.substr(span.begin, span.end - span.begin));
  };
}

BpeSteps::Cut metaspace_cut(const std::string& mark, const std::string& prepend, bool split) {
  return [=](std::string_view text, bool first, const Sink& sink) {
    auto marked = replace_all(text, " ", mark);
    if ((prepend == "always" || (prepend == "first" && first)) && !marked.starts_with(mark)) marked = mark + marked;
    if (!split) return sink(marked);
    for (size_t at = 0; at < marked.size();) {
      const auto end = std::min(marked.find(mark, at + 1), marked.size());
      sink(std::string_view(marked).substr(at, end - at));
      at = end;
    }
  };
}

Pattern regex(const char* pattern, const JsonValue& value) {
  const nlohmann::json json = {{"Regex", pattern}};
  return Pattern(JsonValue(json, value.name()));
}

struct Metaspace {
  std::string mark, prepend;
  explicit Metaspace(const JsonValue& value) : mark(value.text_or("replacement", "\u2581")) {
    if (mark.empty()) value.at("replacement").fail_here("is empty");
    // Files from before prepend_scheme say the same with add_prefix_space.
    prepend = value.text_or("prepend_scheme", value.flag_or("add_prefix_space", true) ? "always" : "never");
  }
};

BpeSteps::Cut read_cut(const JsonValue& value) {
  const auto& type = value.at("type").text();
  if (type == "ByteLevel")
    return byte_level_cut(value.flag_or("add_prefix_space", true), value.flag_or("use_regex", true));
  if (type == "Split") {
    const auto& behavior = value.at("behavior").text();
    if (behavior != "Removed" && behavior != "Isolated" && behavior != "MergedWithPrevious" &&
        behavior != "MergedWithNext" && behavior != "Contiguous")
      value.at("behavior").fail_here(fmt::format("= \"{}\" is unknown", behavior));
    return split_cut(Pattern(value.at("pattern")), behavior, value.flag_or("invert", false));
  }
  if (type == "Metaspace") {
    const Metaspace settings(value);
    return metaspace_cut(settings.mark, settings.prepend, value.flag_or("split", true));
  }
  if (type == "Digits")
    return split_cut(regex(value.flag_or("individual_digits", false) ? "\\p{N}" : "\\p{N}+", value), "Isolated", false);
  if (type == "Whitespace") {  // Rust's \w, which takes joiners too
    const auto word = std::string(kWordCharacters) + R"(\x{200c}\x{200d})";
    return split_cut(regex(("[" + word + "]+|[^" + word + "\\s]+").c_str(), value), "Removed", true);
  }
  if (type == "WhitespaceSplit") return split_cut(regex("\\s+", value), "Removed", false);
  unknown_step(value, "pre-tokenizer", "ByteLevel, Split, Metaspace, Digits, Whitespace, WhitespaceSplit and Sequence");
}

void join_byte_tokens(std::vector<std::string>& tokens) {
  for (auto& token : tokens) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') continue;
    const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
    if (digit(token[3]) < 0 || digit(token[4]) < 0) continue;
    token = std::string(1, static_cast<char>(digit(token[3]) * 16 + digit(token[4])));
  }
}

BpeSteps::Decode read_decoder(const JsonValue& value) {
  const auto& type = value.at("type").text();
  if (type == "ByteLevel") return {};  // the vocabulary holds bytes already
  if (type == "ByteFallback") return join_byte_tokens;
  if (type == "Replace")
    return
        [pattern = Pattern(value.at("pattern")), with = value.at("content").text()](std::vector<std::string>& tokens) {
          for (auto& token : tokens) token = pattern.replaced(token, with);
        };
  if (type == "Fuse")
    return [](std::vector<std::string>& tokens) {
      std::string whole;
      for (const auto& token : tokens) whole += token;
      tokens = {whole};
    };
  if (type == "Strip") {
    const auto what = value.at("content").text();
    const auto left = value.at("start").integer(0, 1 << 20), right = value.at("stop").integer(0, 1 << 20);
    if (what.empty()) value.at("content").fail_here("is empty");
    return [=](std::vector<std::string>& tokens) {
      for (auto& token : tokens) {
        for (int64_t i = 0; i < left && token.starts_with(what); ++i) token.erase(0, what.size());
        for (int64_t i = 0; i < right && token.ends_with(what); ++i) token.resize(token.size() - what.size());
      }
    };
  }
  if (type == "Metaspace")
    return [settings = Metaspace(value)](std::vector<std::string>& tokens) {
      for (size_t i = 0; i < tokens.size(); ++i) {
        if (i == 0 && settings.prepend != "never" && tokens[i].starts_with(settings.mark))
          tokens[i].erase(0, settings.mark.size());
        tokens[i] = replace_all(tokens[i], settings.mark, " ");
      }
    };
  unknown_step(value, "decoder", "ByteLevel, ByteFallback, Replace, Fuse, Strip, Metaspace and Sequence");
}

BpeSteps read_steps(const JsonValue& root, bool& byte_level) {
  BpeSteps steps;
  if (root.has("normalizer"))
    for_each_step(root.at("normalizer"), "normalizers",
                  [&](const JsonValue& value) { steps.normalize.push_back(read_normalizer(value)); });
  if (root.has("pre_tokenizer"))
    for_each_step(root.at("pre_tokenizer"), "pretokenizers", [&](const JsonValue& value) {
      byte_level = byte_level || value.at("type").text() == "ByteLevel";
      steps.cut.push_back(read_cut(value));
    });
  if (root.has("decoder"))
    for_each_step(root.at("decoder"), "decoders", [&](const JsonValue& value) {
      if (auto step = read_decoder(value)) steps.decode.push_back(std::move(step));
    });
  else
    steps.decode.push_back([](std::vector<std::string>& tokens) {  // as Hugging Face does without a decoder
      for (size_t i = 1; i < tokens.size(); ++i) tokens[i] = " " + tokens[i];
    });
  return steps;
}

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
      if (value.at("type").text() != "TemplateProcessing") return;
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

BpeParts parts_of(const JsonValue& root, std::string_view name) {
  const auto model = root.table().at("model");
  const auto type = model.table().text_or("type", "BPE");
  if (type != "BPE") model.at("type").fail_here(fmt::format("= \"{}\"; Hadal reads byte-pair encodings (BPE)", type));
  for (const auto* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.text_or(key, "").empty()) model.at(key).fail_here("is a setting that Hadal does not have");
  BpeParts parts;
  parts.name = name;
  parts.bytes = false;
  parts.some_bytes = true;
  parts.steps = read_steps(root, parts.bytes);
  auto& tokens = parts.vocabulary.tokens;
  tokens = read_vocabulary(model.at("vocab"));
  if (model.has("unk_token")) {
    const auto unknown = std::find(tokens.begin(), tokens.end(), model.at("unk_token").text());
    if (unknown != tokens.end()) parts.unknown = static_cast<int32_t>(unknown - tokens.begin());
  }
  parts.vocabulary.merges = read_merges(model.at("merges"), tokens);
  if (root.has("added_tokens")) parts.added = read_added(root.at("added_tokens"), tokens.size());
  parts.begin = read_begin(root, parts.added);
  if (parts.bytes)
    for (auto& token : tokens)
      if (auto bytes = bytes_from_stand_ins(token)) token = *std::move(bytes);
  parts.byte_fallback = model.flag_or("byte_fallback", false) && !parts.bytes;
  parts.fuse_unknown = model.flag_or("fuse_unk", false);
  parts.whole_pieces = model.flag_or("ignore_merges", false);
  return parts;
}

}  // namespace

std::shared_ptr<const BpeTokenizer> make_huggingface(const nlohmann::json& json, std::string_view name) {
  return std::make_shared<const BpeTokenizer>(parts_of(JsonValue(json, name), name));
}

}  // namespace hadal
