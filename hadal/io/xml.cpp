#include "hadal/io/xml.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "hadal/core/error.h"
#include "hadal/core/utf8.h"

namespace hadal {
namespace {

constexpr int kDeepestElement = 64;

bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string trimmed(std::string text) {
  while (!text.empty() && blank(text.back())) text.pop_back();
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), blank));
  return text;
}

class XmlReader {
 public:
  XmlReader(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  XmlNode document() {
    between_elements();
    if (at_ >= text_.size()) wrong("holds no element");
    if (text_[at_] != '<') wrong("does not begin with an element");
    auto root = element(0);
    between_elements();
    if (at_ < text_.size()) wrong("something stands behind the root element");
    return root;
  }

 private:
  [[noreturn]] void wrong(std::string_view what) const {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<int64_t>(at_), '\n');
    throw FileError(fmt::format("{} line {}", name_, line), what);
  }
  bool next_is(std::string_view word) const { return text_.substr(at_).starts_with(word); }
  void skip_blanks() {
    while (at_ < text_.size() && blank(text_[at_])) ++at_;
  }
  /// Past the next `end`.
  std::string_view until(std::string_view end, std::string_view what) {
    const auto found = text_.find(end, at_);
    if (found == std::string_view::npos) wrong(fmt::format("{} is never closed", what));
    const auto inside = text_.substr(at_, found - at_);
    at_ = found + end.size();
    return inside;
  }
  /// Blanks, comments, <?...?> and <!DOCTYPE ...>.
  void between_elements() {
    while (true) {
      skip_blanks();
      if (next_is("<!--"))
        at_ += 4, until("-->", "a comment");
      else if (next_is("<?"))
        until("?>", "<?");
      else if (next_is("<!DOCTYPE")) {
        const auto start = at_;
        if (until(">", "<!DOCTYPE").find('[') != std::string_view::npos)
          at_ = start, wrong("a document type with declarations of its own is not read");
      } else
        return;
    }
  }
  std::string word() {
    const auto start = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_' || text_[at_] == '-' ||
            text_[at_] == '.' || text_[at_] == ':' || static_cast<unsigned char>(text_[at_]) >= 0x80))
      ++at_;
    if (at_ == start) wrong("expected a name");
    return std::string(text_.substr(start, at_ - start));
  }
  void attributes() {
    for (skip_blanks(); at_ < text_.size() && text_[at_] != '>' && text_[at_] != '/' && text_[at_] != '?';
         skip_blanks()) {
      word();
      skip_blanks();
      if (!next_is("=")) wrong("an attribute wants a value");
      ++at_, skip_blanks();
      if (!next_is("\"") && !next_is("'")) wrong("an attribute's value wants quotes");
      const auto quote = text_.substr(at_++, 1);
      if (until(quote, "an attribute's value").find('<') != std::string_view::npos)
        wrong("an attribute's value holds a <");
    }
  }
  char32_t character_reference(std::string_view digits) const {
    const bool hex = digits.starts_with('x');
    if (hex) digits.remove_prefix(1);
    char32_t code = 0;
    if (digits.empty() || digits.size() > 7) wrong("a character reference has no number");
    for (const char c : digits) {
      const bool digit = c >= '0' && c <= '9';
      if (!digit && !(hex && std::isxdigit(static_cast<unsigned char>(c)))) wrong("a character reference is no number");
      code = code * (hex ? 16 : 10) + static_cast<char32_t>(digit ? c - '0' : (c | 32) - 'a' + 10);
    }
    if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) wrong("no character has this number");
    return code;
  }
  void entity(std::string& out) {
    constexpr std::array<std::pair<std::string_view, char>, 5> kKnown = {
        {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}}};
    const auto end = text_.substr(++at_, 12).find(';');
    if (end == std::string_view::npos) wrong("an & is no entity; write &amp;");
    const auto code = text_.substr(at_, end);
    if (code.starts_with('#')) {
      out += to_utf8(character_reference(code.substr(1)));
    } else {
      const auto known = std::find_if(kKnown.begin(), kKnown.end(), [&](const auto& k) { return k.first == code; });
      if (known == kKnown.end()) wrong(fmt::format("unknown entity &{};", code));
      out += known->second;
    }
    at_ += end + 1;
  }
  /// At a '<' that opens an element.
  XmlNode element(int depth) {
    if (depth >= kDeepestElement) wrong(fmt::format("elements lie deeper than {}", kDeepestElement));
    XmlNode node;
    node.line = line_ +=
        std::count(text_.begin() + static_cast<int64_t>(counted_), text_.begin() + static_cast<int64_t>(at_), '\n');
    counted_ = at_++;
    node.name = word();
    attributes();
    if (next_is("/>")) return at_ += 2, node;
    if (!next_is(">")) wrong(fmt::format("the tag <{} is never closed", node.name));
    ++at_;
    while (true) {
      if (at_ >= text_.size()) wrong(fmt::format("<{}> of line {} is never closed", node.name, node.line));
      if (next_is("</")) break;
      if (next_is("<!--"))
        at_ += 4, until("-->", "a comment");
      else if (next_is("<![CDATA["))
        at_ += 9, node.text += until("]]>", "<![CDATA[");
      else if (next_is("<?"))
        until("?>", "<?");
      else if (text_[at_] == '<')
        node.children.push_back(element(depth + 1));
      else if (text_[at_] == '&')
        entity(node.text);
      else
        node.text += text_[at_++];
    }
    at_ += 2;
    if (const auto closed = word(); closed != node.name)
      wrong(fmt::format("</{}> closes <{}> of line {}", closed, node.name, node.line));
    skip_blanks();
    if (!next_is(">")) wrong(fmt::format("the tag </{} is never closed", node.name));
    ++at_;
    node.text = trimmed(std::move(node.text));
    return node;
  }

  std::string_view text_, name_;
  size_t at_ = 0, counted_ = 0;  // newlines before counted_ are in line_
  int64_t line_ = 1;
};

}  // namespace

const XmlNode* XmlNode::find(std::string_view child) const {
  const auto found = std::find_if(children.begin(), children.end(), [&](const XmlNode& c) { return c.name == child; });
  return found == children.end() ? nullptr : &*found;
}

XmlNode parse_xml(std::string_view text, std::string_view name) {
  check_utf8(text, name);
  return XmlReader(without_mark(text), name).document();
}

}  // namespace hadal
