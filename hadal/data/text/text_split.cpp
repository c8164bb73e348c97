#include "hadal/data/text/text_split.h"

#include "hadal/data/text/unicode.h"

namespace hadal {
namespace {

struct Class {
  CharKind kind;
  size_t length;
};

Class class_at(std::string_view text, size_t at) {
  const auto c = static_cast<unsigned char>(text[at]);
  if (c >= 0x80) {
    const auto [code, length] = any_character_at(text, at);
    return {char_kind(code), length};
  }
  if (static_cast<unsigned char>((c | 0x20) - 'a') < 26) return {CharKind::letter, 1};
  if (static_cast<unsigned char>(c - '0') < 10) return {CharKind::number, 1};
  return {c == ' ' || (c >= 9 && c <= 13) ? CharKind::space : CharKind::other, 1};
}

/// 's 't 'm 'd 're 've 'll: its length, or 0.
size_t contraction(std::string_view text) {
  if (text.size() < 2) return 0;
  if (text[1] == 's' || text[1] == 't' || text[1] == 'm' || text[1] == 'd') return 2;
  const auto two = text.substr(1, 2);
  return two == "re" || two == "ve" || two == "ll" ? 3 : 0;
}

}  // namespace

size_t gpt2_piece_end(std::string_view text, size_t at) {
  if (text[at] == '\'')
    if (const auto length = contraction(text.substr(at))) return at + length;
  auto end = at;
  auto now = class_at(text, at);
  if (text[at] == ' ' && at + 1 < text.size()) {
    const auto next = class_at(text, at + 1);
    if (next.kind != CharKind::space) ++end, now = next;
  }
  const auto kind = now.kind;
  size_t last = end;  // where the run's last character begins
  while (end < text.size()) {
    const auto next = class_at(text, end);
    if (next.kind != kind) break;
    last = end;
    end += next.length;
  }
  // \s+(?!\S): a run of spaces leaves its last one to the word behind it.
  return kind == CharKind::space && end < text.size() && last > at ? last : end;
}

}  // namespace hadal
