#include "hadal/io/yaml.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "hadal/core/error.h"
#include "hadal/core/utf8.h"

namespace hadal {
namespace {

using nlohmann::json;
constexpr int kDeepestLevel = 64;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

/// Without the comment behind it: a # outside quotes, at the beginning or after a blank.
std::string_view without_comment(std::string_view line) {
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote) {
      if (c == '\\' && quote == '"') ++i;
      if (c == quote) quote = 0;
    } else if ((c == '"' || c == '\'') &&
               (i == 0 || std::string_view(" [{,:-").find(line[i - 1]) != std::string_view::npos)) {
      quote = c;
    } else if (c == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) {
      return line.substr(0, i);
    }
  }
  return line;
}

json plain_scalar(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const auto* end = text.data() + text.size();
  const auto digits = text.front() == '+' ? text.substr(1) : text;
  const auto read_whole = [&](auto& number) {
    const auto read = std::from_chars(digits.data(), end, number);
    return read.ec == std::errc() && read.ptr == end;
  };
  if (digits.empty() || (!std::isdigit(static_cast<unsigned char>(digits[0])) && digits[0] != '-' && digits[0] != '.'))
    return std::string(text);
  if (int64_t whole = 0; read_whole(whole)) return whole;
  if (double real = 0; read_whole(real) && std::isfinite(real)) return real;
  return std::string(text);
}

struct Line {
  int64_t number;
  size_t indent;
  std::string_view text;  // without indentation and comment
};

class YamlReader {
 public:
  YamlReader(std::string_view text, std::string_view name) : name_(name) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    for (int64_t number = 1; !text.empty(); ++number) {
      const auto end = text.find('\n');
      raw_.push_back(text.substr(0, end));
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      add_line(raw_.back(), number);
    }
  }

  json document() {
    if (lines_.empty()) return nullptr;
    auto out = node(lines_[0].indent, 0);
    if (at_ < lines_.size()) wrong(fmt::format("is indented by {}, which fits nothing above", lines_[at_].indent));
    return out;
  }

 private:
  void add_line(std::string_view raw, int64_t number) {
    const auto indent = raw.find_first_not_of(' ');
    const auto text = trimmed(without_comment(raw));
    if (text.empty()) return;
    if (raw[indent] == '\t') lines_.push_back({number, indent, text}), at_ = lines_.size() - 1, wrong("a tab indents");
    if (text == "---" && lines_.empty()) return;
    lines_.push_back({number, indent, text});
  }
  [[noreturn]] void wrong(std::string_view what) const {
    const auto number = at_ < lines_.size() ? lines_[at_].number : static_cast<int64_t>(raw_.size());
    throw FileError(fmt::format("{} line {}", name_, number), what);
  }

  json node(size_t indent, int depth) {
    if (depth > kDeepestLevel) wrong(fmt::format("lies deeper than {} levels", kDeepestLevel));
    const auto text = lines_[at_].text;
    if (text == "---" || text == "..." || text[0] == '%') wrong("several documents in a file are not read");
    if (text == "-" || text.starts_with("- ")) return block_list(indent, depth);
    if (key_end(text) != std::string_view::npos) return block_map(indent, depth);
    auto value = inline_value(text, depth);
    return ++at_, value;
  }
  json block_list(size_t indent, int depth) {
    auto out = json::array();
    while (at_ < lines_.size() && lines_[at_].indent == indent &&
           (lines_[at_].text == "-" || lines_[at_].text.starts_with("- "))) {
      auto& line = lines_[at_];
      const auto rest = line.text.substr(1).find_first_not_of(' ');
      if (rest == std::string_view::npos) {
        ++at_;
        out.push_back(below(indent, depth, false));
        continue;
      }
      // What follows the dash is a node of its own, indented by where it stands.
      line.text.remove_prefix(rest + 1);
      line.indent += rest + 1;
      out.push_back(node(line.indent, depth + 1));
    }
    return out;
  }
  json block_map(size_t indent, int depth) {
    auto out = json::object();
    while (at_ < lines_.size() && lines_[at_].indent == indent) {
      const auto text = lines_[at_].text;
      const auto end = key_end(text);
      if (end == std::string_view::npos) {
        if (text == "-" || text.starts_with("- ")) break;
        wrong(fmt::format("\"{}\" is no \"key: value\"", text));
      }
      const auto key = scalar_text(trimmed(text.substr(0, end)));
      if (out.contains(key)) wrong(fmt::format("the key \"{}\" stands here twice", key));
      const auto rest = trimmed(text.substr(end + 1));
      json value;
      if (rest.empty())
        ++at_, value = below(indent, depth, true);
      else if (rest[0] == '|' || rest[0] == '>')
        value = text_block(indent);
      else
        value = inline_value(rest, depth), ++at_;
      out[key] = std::move(value);
    }
    return out;
  }
  /// The node below a key or dash; a list may stand at its key's own indentation.
  json below(size_t indent, int depth, bool of_key) {
    if (at_ >= lines_.size()) return nullptr;
    const auto& line = lines_[at_];
    const bool list = line.text == "-" || line.text.starts_with("- ");
    if (line.indent > indent || (of_key && list && line.indent == indent)) return node(line.indent, depth + 1);
    return nullptr;
  }
  json text_block(size_t indent) {
    std::string out;
    auto number = static_cast<size_t>(lines_[at_].number);  // raw_[number] is the next line
    for (; number < raw_.size(); ++number) {
      const auto start = raw_[number].find_first_not_of(" \r");
      if (start != std::string_view::npos && start <= indent) break;
      out += std::string(trimmed(raw_[number])) + "\n";
    }
    while (at_ < lines_.size() && lines_[at_].number <= static_cast<int64_t>(number)) ++at_;
    return out;
  }

  /// Where the colon of "key: value" stands.
  size_t key_end(std::string_view text) const {
    if (text[0] == '[' || text[0] == '{') return std::string_view::npos;
    size_t i = 0;
    if (text[0] == '"' || text[0] == '\'') {
      i = text.find(text[0], 1);
      if (i == std::string_view::npos) return i;
    }
    for (; i < text.size(); ++i)
      if (text[i] == ':' && (i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == '\t')) return i;
    return std::string_view::npos;
  }
  std::string scalar_text(std::string_view text) {
    if (text.empty() || (text[0] != '"' && text[0] != '\'')) return std::string(text);
    auto rest = text;
    const auto value = quoted(rest);
    if (!rest.empty()) wrong("something stands behind a key's quotes");
    return value;
  }
  json inline_value(std::string_view text, int depth) {
    // Brackets may go on over several lines.
    std::string joined;
    if ((text[0] == '[' || text[0] == '{') && !balanced(text)) {
      joined = text;
      while (!balanced(joined)) {
        if (at_ + 1 >= lines_.size()) wrong("a bracket is never closed");
        joined += " " + std::string(lines_[++at_].text);
        if (joined.size() > 1 << 24) wrong("a bracket is never closed");
      }
      text = joined;
    }
    auto rest = text;
    auto value = flow(rest, depth, "");
    if (!trimmed(rest).empty()) wrong(fmt::format("\"{}\" stands behind the value", trimmed(rest)));
    return value;
  }
  static bool balanced(std::string_view text) {
    int64_t open = 0;
    char quote = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (quote) {
        if (c == '\\' && quote == '"') ++i;
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else {
        open += (c == '[' || c == '{') - (c == ']' || c == '}');
      }
    }
    return open <= 0;
  }
  /// A value that ends before one of `ends` (in brackets) or at the end of the text; takes it off `rest`.
  json flow(std::string_view& rest, int depth, std::string_view ends) {
    if (depth > kDeepestLevel) wrong(fmt::format("lies deeper than {} levels", kDeepestLevel));
    rest = trimmed(rest);
    if (rest.empty()) return nullptr;
    if (rest[0] == '[') return flow_list(rest, depth);
    if (rest[0] == '{') return flow_map(rest, depth);
    if (rest[0] == '"' || rest[0] == '\'') return quoted(rest);
    if (rest[0] == '&' || rest[0] == '*' || rest[0] == '!')
      wrong(fmt::format("anchors and tags (\"{}\") are not read; write the value itself", rest));
    const auto end = ends.empty() ? std::string_view::npos : rest.find_first_of(ends);
    const auto text = trimmed(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end);
    return plain_scalar(text);
  }
  json flow_list(std::string_view& rest, int depth) {
    auto out = json::array();
    for (rest = trimmed(rest.substr(1)); !rest.starts_with("]"); rest = trimmed(rest)) {
      if (rest.empty()) wrong("a [ is never closed");
      out.push_back(flow(rest, depth + 1, ",]"));
      separate(rest, ']');
    }
    return rest.remove_prefix(1), out;
  }
  json flow_map(std::string_view& rest, int depth) {
    auto out = json::object();
    for (rest = trimmed(rest.substr(1)); !rest.starts_with("}"); rest = trimmed(rest)) {
      if (rest.empty()) wrong("a { is never closed");
      std::string key;
      if (rest[0] == '"' || rest[0] == '\'') {
        key = quoted(rest);
      } else {
        const auto end = std::min(rest.find_first_of(":,}"), rest.size());
        key = trimmed(rest.substr(0, end));
        rest.remove_prefix(end);
      }
      rest = trimmed(rest);
      if (!rest.starts_with(":")) wrong(fmt::format("\"{}\" wants a value: {{key: value}}", key));
      rest.remove_prefix(1);
      if (out.contains(key)) wrong(fmt::format("the key \"{}\" stands here twice", key));
      auto value = flow(rest, depth + 1, ",}");
      out[key] = std::move(value);
      separate(rest, '}');
    }
    return rest.remove_prefix(1), out;
  }
  void separate(std::string_view& rest, char end) {
    rest = trimmed(rest);
    if (rest.starts_with(","))
      rest.remove_prefix(1);
    else if (!rest.starts_with(end))
      wrong(fmt::format("expected a comma or {} before \"{}\"", end, rest.substr(0, 20)));
  }
  std::string quoted(std::string_view& rest) {
    const char quote = rest[0];
    std::string out;
    for (size_t i = 1; i < rest.size(); ++i) {
      const char c = rest[i];
      if (c == quote) {
        if (quote == '\'' && i + 1 < rest.size() && rest[i + 1] == quote) {
          out += rest[++i];
          continue;
        }
        rest = trimmed(rest.substr(i + 1));
        return out;
      }
      if (c != '\\' || quote == '\'') {
        out += c;
        continue;
      }
      if (++i >= rest.size()) break;
      const char e = rest[i];
      if (e == 'n' || e == 't')
        out += e == 'n' ? '\n' : '\t';
      else if (e == '"' || e == '\\' || e == '/')
        out += e;
      else
        wrong(fmt::format("\\{} in quotes is not read", e));
    }
    wrong("a quote is never closed");
  }

  std::string_view name_;
  std::vector<std::string_view> raw_;
  std::vector<Line> lines_;
  size_t at_ = 0;
};

}  // namespace

json parse_yaml(std::string_view text, std::string_view name) {
  check_utf8(text, name);
  return YamlReader(without_mark(text), name).document();
}

}  // namespace hadal
