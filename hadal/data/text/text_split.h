// Where words begin and end: the patterns that byte-pair encodings cut a text by before they merge.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "hadal/data/text/pattern_syntax.h"

namespace hadal {

/// The end of the piece that begins at byte `at` by GPT-2's pattern,
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// `at` is inside the text and where a piece begins. Broken UTF-8 counts as neither letter, number nor space.
size_t gpt2_piece_end(std::string_view text, size_t at);

/// A regular expression, matched by PCRE2. Throws FileError with the reason where it is none.
class TextPattern {
 public:
  TextPattern(const std::string& pattern, PatternSyntax syntax, std::string_view name);
  ~TextPattern();
  TextPattern(TextPattern&&) noexcept;
  TextPattern& operator=(TextPattern&&) noexcept;

  struct Match {
    size_t begin, end;
  };
  /// Calls `found` for every match that is not empty, from left to right. Throws Error where the text makes the pattern
  /// take too long.
  void find_all(std::string_view text, const std::function<void(const Match&)>& found) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

/// Unicode's normal form of the text: "NFC", "NFD", "NFKC" or "NFKD"; "lower" lowers letters.
std::string unicode_form(std::string_view text, std::string_view form);

/// Whether this build has the two above; without them they throw Error.
bool has_unicode_library();

}  // namespace hadal
