#include "hadal/io/json_scan.h"

#include <charconv>
#include <cmath>

#include "hadal/core/utf8.h"

namespace hadal {
namespace {

constexpr int kDeepest = 200;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void JsonScanner::fail_here(std::string_view what) const {
  throw FileError(fmt::format("{} at byte {}", name_, at_), what);
}

bool JsonScanner::take_word(std::string_view word) {
  white();
  if (text_.substr(at_, word.size()) != word) return false;
  at_ += word.size();
  return true;
}

void JsonScanner::fail_kind(std::string_view wanted) {
  const auto c = peek();
  if (at_ >= text_.size()) fail_here(fmt::format("the file is cut off; expected {}", wanted));
  const auto got = c == '{'                  ? "a table"
                   : c == '['                ? "a list"
                   : c == '"'                ? "a text"
                   : c == '-' || is_digit(c) ? "a number"
                   : c == 't' || c == 'f'    ? "true or false"
                   : c == 'n'                ? "null"
                   : c == 'N' || c == 'I'    ? "NaN or Infinity, which JSON does not have"
                                             : "no JSON";
  fail_here(fmt::format("expected {}, got {}", wanted, got));
}

void JsonScanner::begin(char bracket, std::string_view kind) {
  if (!take(bracket)) fail_kind(kind);
  if (++depth_ > kDeepest) fail_here(fmt::format("tables and lists are nested more than {} deep", kDeepest));
}

std::string_view JsonScanner::digits() {
  const auto c = peek();
  if (c != '-' && !is_digit(c)) fail_kind("a number");
  auto to = at_ + (c == '-');
  if (to == text_.size() || !is_digit(text_[to])) fail_here("this is no number");
  const auto inside = [](char d) { return is_digit(d) || d == '.' || d == 'e' || d == 'E' || d == '+' || d == '-'; };
  while (to < text_.size() && inside(text_[to])) ++to;
  return text_.substr(at_, to - at_);
}

// Most numbers: up to 15 digits with a point among them. Both the digits and the power of ten are exact, so that their
// quotient is rounded once, as it should be.
bool JsonScanner::short_number(double& value) {
  static constexpr double kTens[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  white();
  auto at = at_;
  const auto letter = [&] { return at < text_.size() ? text_[at] : '\0'; };
  const bool negative = letter() == '-';
  at += negative;
  const auto begin = at;
  int64_t digits = 0;
  while (is_digit(letter()) && at - begin < 15) digits = digits * 10 + (text_[at++] - '0');
  if (at == begin) return false;
  size_t behind = 0;
  if (letter() == '.') {
    const auto point = at++;
    while (is_digit(letter()) && at - begin < 16) digits = digits * 10 + (text_[at++] - '0');
    behind = at - point - 1;
    if (behind == 0) return false;
  }
  const auto next = letter();
  if (is_digit(next) || next == '.' || next == 'e' || next == 'E' || next == '+' || next == '-') return false;
  value = static_cast<double>(digits) / kTens[behind];
  if (negative) value = -value;
  at_ = at;
  return true;
}

double JsonScanner::number() {
  if (double value = 0; short_number(value)) return value;
  const auto word = digits();
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error == std::errc::result_out_of_range) {
    value = std::strtod(std::string(word).c_str(), nullptr);  // too small is 0, too large is a mistake
    if (!std::isfinite(value)) fail_here("this number is too large");
  } else if (error != std::errc() || end != word.data() + word.size()) {
    fail_here("this is no number");
  }
  at_ += word.size();
  return value;
}

int64_t JsonScanner::integer() {
  const auto word = digits();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error == std::errc() && end == word.data() + word.size()) return at_ += word.size(), value;
  const auto begin = at_;
  const auto real = number();
  if (real != std::floor(real) || std::abs(real) > 9e15) {
    at_ = begin;
    fail_here(fmt::format("expected a whole number, got {}", word.substr(0, 40)));
  }
  return static_cast<int64_t>(real);
}

bool JsonScanner::flag() {
  if (take_word("true")) return true;
  if (take_word("false")) return false;
  const auto c = peek();
  if (c != '0' && c != '1') fail_kind("true, false, 0 or 1");
  const auto value = number();
  if (value != 0 && value != 1) fail_here("expected true, false, 0 or 1");
  return value == 1;
}

bool JsonScanner::null() { return take_word("null"); }

uint32_t JsonScanner::four_digits() {
  uint32_t code = 0;
  const auto word = text_.substr(at_, 4);
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), code, 16);
  if (word.size() < 4 || error != std::errc() || end != word.data() + 4) fail_here("this is no \\u and four digits");
  at_ += 4;
  return code;
}

void JsonScanner::escape(std::string& out) {
  const char c = at_ < text_.size() ? text_[at_++] : '\0';
  constexpr std::string_view kLetters = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
  if (const auto which = kLetters.find(c); c != '\0' && which != std::string_view::npos) {
    out += kMeant[which];
    return;
  }
  if (c != 'u') fail_here("a text has an unknown escape");
  auto code = four_digits();
  if (code >= 0xd800 && code < 0xdc00) {  // the first half of a character beyond 16 bits
    if (text_.substr(at_, 2) != "\\u") fail_here("half a character in a text");
    at_ += 2;
    const auto second = four_digits();
    if (second < 0xdc00 || second > 0xdfff) fail_here("half a character in a text");
    code = 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
  } else if (code >= 0xdc00 && code <= 0xdfff) {
    fail_here("half a character in a text");
  }
  out += to_utf8(static_cast<char32_t>(code));
}

std::string_view JsonScanner::key(std::string& room) {
  if (peek() != '"') fail_kind("a text");
  for (auto to = at_ + 1; to < text_.size(); ++to) {
    const auto c = static_cast<unsigned char>(text_[to]);
    if (c == '\\' || c < 0x20 || c >= 0x80) break;
    if (c != '"') continue;
    const auto out = text_.substr(at_ + 1, to - at_ - 1);
    at_ = to + 1;
    return out;
  }
  return room = text();
}

std::string JsonScanner::text() {
  if (peek() != '"') fail_kind("a text");
  const auto begin = at_++;
  std::string out;
  bool ascii = true;
  for (auto from = at_;;) {
    if (at_ >= text_.size()) fail_here("the file is cut off in a text");
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (c == '"' || c == '\\') {
      out.append(text_, from, at_ - from);
      ++at_;
      if (c == '"') break;
      escape(out);
      from = at_;
      continue;
    }
    if (c < 0x20) fail_here("a text holds a control character");
    ascii = ascii && c < 0x80;
    ++at_;
  }
  if (!ascii)
    if (const auto bad = find_bad_utf8(out); bad != std::string::npos) {
      at_ = begin;
      fail_here("a text is not UTF-8");
    }
  return out;
}

void JsonScanner::skip() {
  switch (peek()) {
    case '{':
      return table([&](std::string_view) { skip(); });
    case '[':
      return list([&] { skip(); });
    case '"':
      text();
      return;
    case 't':
    case 'f':
      flag();
      return;
    case 'n':
      if (!null()) fail_kind("a value");
      return;
    default:
      number();
  }
}

void JsonScanner::end() {
  if (peek() != '\0' || at_ < text_.size()) fail_here("something follows behind the end of the JSON");
}

}  // namespace hadal
