#include "hadal/data/text/pattern_syntax.h"

#include <cctype>
#include <vector>

#include <fmt/format.h>

namespace hadal {
namespace {

class Translator {
 public:
  Translator(std::string_view pattern, PatternSyntax syntax, const std::function<bool(const std::string&)>& is_script)
      : in_(pattern), oniguruma_(syntax == PatternSyntax::oniguruma), is_script_(is_script) {}

  std::string run() {
    while (at_ < in_.size()) {
      const auto c = in_[at_];
      if (c == '[') {
        atom(character_class());
      } else if (c == '\\') {
        atom(outside(escape()));
      } else if (c == '(') {
        groups_.push_back(out_.size());
        out_ += take(1);
      } else if (c == ')') {
        out_ += take(1);
        if (!groups_.empty()) atom_ = groups_.back(), groups_.pop_back();
      } else if (c == '{' && oniguruma_ && counted()) {
        continue;
      } else {
        const auto length = character_length();
        if (c != '*' && c != '+' && c != '?' && c != '{' && c != '|') atom_ = out_.size();
        out_ += take(length);
      }
    }
    // $ as the end of the text alone is an option of PCRE2's in Rust's case.
    return oniguruma_ ? "(?m)" + out_ : out_;
  }

 private:
  /// What an escape stands for: itself, or a set of characters that PCRE2 reads otherwise.
  struct Escape {
    std::string text;      // as PCRE2 has it, or the inside of a class
    bool set = false;      // text is the inside of a class
    bool negated = false;  // all but that set
  };

  std::string take(size_t length) {
    const auto begin = at_;
    at_ = std::min(at_ + length, in_.size());
    return std::string(in_.substr(begin, at_ - begin));
  }
  void atom(const std::string& text) {
    atom_ = out_.size();
    out_ += text;
  }
  size_t character_length() const {
    size_t length = 1;
    while (at_ + length < in_.size() && (static_cast<uint8_t>(in_[at_ + length]) & 0xC0) == 0x80) ++length;
    return length;
  }
  static std::string outside(const Escape& escape) {
    if (!escape.set) return escape.text;
    return fmt::format("[{}{}]", escape.negated ? "^" : "", escape.text);
  }

  Escape escape() {
    if (at_ + 1 >= in_.size()) return {take(1)};
    const auto kind = in_[at_ + 1];
    if (kind == 'w' || kind == 'W')
      return take(2), Escape{std::string(kWordCharacters) + (oniguruma_ ? "\\p{No}" : ""), true, kind == 'W'};
    if ((kind == 'h' || kind == 'H') && oniguruma_) return take(2), Escape{"0-9A-Fa-f", true, kind == 'H'};
    if (kind == 'u' && hexadecimal(at_ + 2, 4)) {
      const auto code = take(6).substr(2);
      return {"\\x{" + code + "}"};
    }
    const auto open = at_ + 2 < in_.size() ? in_[at_ + 2] : ' ';
    const bool braces =
        open == '{' && (kind == 'p' || kind == 'P' || kind == 'x' || kind == 'o' || kind == 'k' || kind == 'g');
    const bool angles = open == '<' && (kind == 'k' || kind == 'g');
    if (!braces && !angles) {
      take(1);
      return {"\\" + take(character_length())};
    }
    const auto end = in_.find(braces ? '}' : '>', at_);
    auto text = take(end == in_.npos ? in_.size() : end + 1 - at_);
    if ((kind == 'p' || kind == 'P') && text.size() > 4) {
      const size_t name = text[3] == '^' ? 4 : 3;
      const auto called = text.substr(name, text.size() - name - 1);
      if (is_script_(called)) text.insert(name, "sc:");
      for (const auto* category : {"Letter", "Mark", "Number", "Punctuation", "Symbol", "Separator"})
        if (called == category) text.replace(name, called.size(), called == "Separator" ? "Z" : called.substr(0, 1));
    }
    return {std::move(text)};
  }
  bool hexadecimal(size_t from, size_t count) const {
    for (size_t i = from; i < from + count; ++i)
      if (i >= in_.size() || !std::isxdigit(static_cast<unsigned char>(in_[i]))) return false;
    return true;
  }

  /// {n,m} and what stands behind it, where Oniguruma reads that otherwise.
  bool counted() {
    auto end = at_ + 1;
    const auto digits = [&] {
      const auto begin = end;
      while (end < in_.size() && std::isdigit(static_cast<unsigned char>(in_[end]))) ++end;
      return in_.substr(begin, end - begin);
    };
    const auto low = digits();
    const bool comma = end < in_.size() && in_[end] == ',';
    if (comma) ++end;
    const auto high = comma ? digits() : std::string_view();
    if (end >= in_.size() || in_[end] != '}' || (low.empty() && high.empty())) return false;
    out_ += fmt::format("{{{}{}{}}}", low.empty() ? "0" : low, comma ? "," : "", high);
    at_ = end + 1;
    if (at_ < in_.size() && in_[at_] == '+') {
      out_.insert(atom_, "(?:");
      out_ += ")";  // the + that follows repeats the whole
    }
    return true;
  }

  /// Some characters, and classes within the class.
  struct Operand {
    std::string characters;
    std::vector<std::string> classes;
    bool plain() const { return classes.empty(); }
    std::string text() const {
      if (plain()) return "[" + characters + "]";
      std::string all = characters.empty() ? "" : "[" + characters + "]";
      for (const auto& one : classes) all += (all.empty() ? "" : "|") + one;
      return classes.size() == 1 && characters.empty() ? all : "(?:" + all + ")";
    }
  };

  /// From `[` on: a pattern that takes one character.
  std::string character_class() {
    take(1);
    const bool negated = at_ < in_.size() && in_[at_] == '^';
    if (negated) take(1);
    std::vector<Operand> operands(1);
    for (bool first = true;; first = false) {
      auto& now = operands.back();
      if (at_ >= in_.size()) return "[" + now.characters;  // PCRE2 says that it does not end
      const auto c = in_[at_];
      if (c == ']' && !first) {
        take(1);
        break;
      }
      if (in_.substr(at_, 2) == "&&") {
        take(2);
        operands.emplace_back();
      } else if (const auto end = in_.substr(at_, 2) == "[:" ? in_.find(":]", at_) : in_.npos; end != in_.npos) {
        now.characters += take(end + 2 - at_);
      } else if (c == '[') {
        if (++depth_ > kDeepest) return take(in_.size()), "[";
        now.classes.push_back(character_class());
        --depth_;
      } else if (c == '\\') {
        const auto what = escape();
        if (what.set && what.negated)
          now.classes.push_back(outside(what));
        else
          now.characters += what.text;
      } else {
        now.characters += c == ']' ? "\\" + take(1) : take(character_length());
      }
    }
    if (operands.size() == 1 && operands[0].plain()) return (negated ? "[^" : "[") + operands[0].characters + "]";
    auto text = operands[0].text();
    if (operands.size() > 1) {
      std::string others;
      for (size_t i = 1; i < operands.size(); ++i) others += "(?=" + operands[i].text() + ")";
      text = "(?:" + others + text + ")";
    }
    return negated ? "(?:(?!" + text + ")(?s:.))" : text;
  }

  static constexpr int kDeepest = 50;  // classes within classes

  std::string_view in_;
  bool oniguruma_;
  const std::function<bool(const std::string&)>& is_script_;
  std::string out_;
  size_t at_ = 0, atom_ = 0;    // atom_: where in out_ that begins which a quantifier would repeat
  std::vector<size_t> groups_;  // where in out_ each open group begins
  int depth_ = 0;
};

}  // namespace

std::string pcre2_pattern(std::string_view pattern, PatternSyntax syntax,
                          const std::function<bool(const std::string& name)>& is_script) {
  return Translator(pattern, syntax, is_script).run();
}

}  // namespace hadal
