#include "hadal/data/text/unicode.h"

#include <algorithm>
#include <vector>

namespace hadal {
namespace {

#include "hadal/data/text/unicode_ranges.inc"
constexpr CodeRange kSpaces[] = {{0x9, 0xd},       {0x20, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},
                                 {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f},
                                 {0x205f, 0x205f}, {0x3000, 0x3000}};
constexpr char32_t kEnd = 0x110000;

std::vector<CharKind> make_kinds() {
  std::vector<CharKind> kinds(kEnd, CharKind::other);
  const auto fill = [&](const auto& ranges, CharKind kind) {
    for (const auto& [first, last] : ranges) std::fill(kinds.begin() + first, kinds.begin() + last + 1, kind);
  };
  fill(kLetters, CharKind::letter);
  fill(kNumbers, CharKind::number);
  fill(kSpaces, CharKind::space);
  return kinds;
}

}  // namespace

CharKind char_kind(char32_t code) {
  static const auto kinds = make_kinds();
  return code < kEnd ? kinds[code] : CharKind::other;
}

}  // namespace hadal
