#include "hadal/data/text/huggingface_steps.h"

#include <algorithm>

#include "hadal/data/text/bert_text.h"
#include "hadal/data/text/text_split.h"
#include "hadal/data/text/unicode.h"

namespace hadal {
namespace {

using Sink = SubwordSteps::Sink;

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

SubwordSteps::Normalize read_normalizer(const JsonValue& value) {
  const auto& type = value.at("type").text();
  if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD" || type == "Lowercase") {
    if (!has_unicode_library()) unicode_form("", type);  // says so now, not in the middle of a text
    return [form = type == "Lowercase" ? std::string("lower") : type](const std::string& text) {
      return unicode_form(text, form);
    };
  }
  if (type == "StripAccents") return without_marks;
  if (type == "BertNormalizer") {
    BertCleaning cleaning{.clean = value.flag_or("clean_text", true),
                          .apart = value.flag_or("handle_chinese_chars", true),
                          .lower = value.flag_or("lowercase", true)};
    cleaning.strip_accents = value.flag_or("strip_accents", cleaning.lower);
    if (!has_unicode_library()) {
      if (cleaning.strip_accents) unicode_form("", "NFD");
      if (cleaning.lower) unicode_form("", "lower");
    }
    return [cleaning](const std::string& text) { return bert_clean(text, cleaning); };
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
  unknown_step(value, "normalizer",
               "NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, BertNormalizer, Prepend, Replace, Strip and Sequence");
}

void cut_gpt2(std::string_view text, const Sink& sink) {
  for (size_t at = 0; at < text.size();) {
    const auto end = gpt2_piece_end(text, at);
    sink(text.substr(at, end - at));
    at = end;
  }
}

SubwordSteps::Cut byte_level_cut(bool prefix, bool pattern) {
  return [=](std::string_view text, bool, const Sink& sink) {
    const auto go = [&](std::string_view whole) { pattern ? cut_gpt2(whole, sink) : sink(whole); };
    prefix && !text.starts_with(' ') ? go(" " + std::string(text)) : go(text);
  };
}

/// What happens to a match: it goes, stands alone, or joins a neighbour.
SubwordSteps::Cut split_cut(Pattern pattern, const std::string& behavior, bool invert) {
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

SubwordSteps::Cut metaspace_cut(const std::string& mark, const std::string& prepend, bool split) {
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

SubwordSteps::Cut read_cut(const JsonValue& value) {
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
  if (type == "BertPreTokenizer") return [](std::string_view text, bool, const Sink& sink) { bert_cut(text, sink); };
  unknown_step(value, "pre-tokenizer",
               "ByteLevel, BertPreTokenizer, Split, Metaspace, Digits, Whitespace, WhitespaceSplit and Sequence");
}

void join_byte_tokens(std::vector<std::string>& tokens) {
  for (auto& token : tokens) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') continue;
    const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
    if (digit(token[3]) < 0 || digit(token[4]) < 0) continue;
    token = std::string(1, static_cast<char>(digit(token[3]) * 16 + digit(token[4])));
  }
}

/// A token that does not go on is a word of its own; `tidy` takes away spaces that a text has not where it is put
/// together, token by token, as the tokenizers library does it.
void join_word_pieces(std::vector<std::string>& tokens, std::string_view prefix, bool tidy) {
  static constexpr std::pair<std::string_view, std::string_view> kTidy[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (size_t i = 0; i < tokens.size(); ++i) {
    auto& token = tokens[i];
    if (i > 0) token.starts_with(prefix) ? token.erase(0, prefix.size()) : token.insert(0, 1, ' ');
    if (tidy)
      for (const auto& [old, with] : kTidy) token = replace_all(token, old, with);
  }
}

SubwordSteps::Decode read_decoder(const JsonValue& value) {
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
  if (type == "WordPiece")
    return [prefix = value.text_or("prefix", "##"), tidy = value.flag_or("cleanup", true)](
               std::vector<std::string>& tokens) { join_word_pieces(tokens, prefix, tidy); };
  if (type == "Metaspace")
    return [settings = Metaspace(value)](std::vector<std::string>& tokens) {
      for (size_t i = 0; i < tokens.size(); ++i) {
        if (i == 0 && settings.prepend != "never" && tokens[i].starts_with(settings.mark))
          tokens[i].erase(0, settings.mark.size());
        tokens[i] = replace_all(tokens[i], settings.mark, " ");
      }
    };
  unknown_step(value, "decoder", "ByteLevel, ByteFallback, WordPiece, Replace, Fuse, Strip, Metaspace and Sequence");
}

}  // namespace

void for_each_step(const JsonValue& value, const char* list, const std::function<void(const JsonValue&)>& use) {
  if (value.table().at("type").text() != "Sequence") return use(value);
  const auto steps = value.at(list);
  for (size_t i = 0; i < steps.list().size(); ++i) {
    if (steps.at(i).at("type").text() == "Sequence") steps.at(i).fail_here("is a sequence inside a sequence");
    use(steps.at(i));
  }
}

SubwordSteps read_subword_steps(const JsonValue& root, bool& byte_level) {
  SubwordSteps steps;
  byte_level = false;
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

}  // namespace hadal
