// The few kinds of characters that tokenizers ask for. Unicode 17.
#pragma once
#include <cstdint>
#include <string_view>

#include "hadal/core/utf8.h"

namespace hadal {

/// Characters from `first` to `last`, both of them.
struct CodeRange {
  char32_t first, last;
};

/// \p{L}, \p{N} and \s of regular expressions; other holds everything else, and what is no character.
enum class CharKind : uint8_t { other, letter, number, space };
CharKind char_kind(char32_t code);

/// As character_at(), but a byte that is not UTF-8 is a character of its own: kNoCharacter, of length 1.
inline constexpr char32_t kNoCharacter = 0xFFFFFFFF;
inline Character any_character_at(std::string_view text, size_t at) {
  const auto found = character_at(text, at);
  return found.length > 0 ? found : Character{kNoCharacter, 1};
}

}  // namespace hadal
