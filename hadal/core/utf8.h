// UTF-8: checking bytes that come from outside, walking over characters, cutting only between them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace hadal {

/// The character that begins at `at` and its length in bytes; a length of 0 where the bytes are none of Unicode's
/// characters: cut short, longer than needed, surrogates, above U+10FFFF.
struct Character {
  char32_t code = 0;
  size_t length = 0;
};
Character character_at(std::string_view text, size_t at);

/// Where the first byte stands that is not UTF-8; npos when all of it is.
size_t find_bad_utf8(std::string_view text);
/// Throws FileError, "NAME at byte 12: not UTF-8 (byte 0xff)", unless all of `text` is UTF-8.
void check_utf8(std::string_view text, std::string_view name);

/// Without the mark of UTF-8 (EF BB BF) that some editors put at the beginning of a file, which is no part of the text.
std::string_view without_mark(std::string_view text);

/// How many of the bytes can be shown now: all but a last character that still lacks bytes.
size_t whole_characters(std::string_view text);
/// The text with U+FFFD for each byte that is not UTF-8.
std::string repaired_utf8(std::string_view text);

std::string to_utf8(char32_t code);

}  // namespace hadal
