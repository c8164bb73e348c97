// Regular expressions as the libraries behind tokenizers write them, in PCRE2's syntax.
#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace hadal {

/// Oniguruma (tokenizer.json) or Rust's fancy-regex (tiktoken).
enum class PatternSyntax { oniguruma, rust };

/// The same pattern for PCRE2 with PCRE2_UTF and PCRE2_UCP. What differs: \w has the letters, marks, digits and
/// connectors of Unicode's Alphabetic; \p{Han} is the script alone (PCRE2 adds its extensions; `is_script` tells which
/// names are scripts), and \p{Letter} is \p{L}; \u4e00; classes within classes, [a[bc]], and what both have, [a&&[^b]];
/// in Oniguruma ^ and $ are those of a line, \h is a hexadecimal digit, {,n} begins with 0 and {n,m}+ repeats; in Rust
/// $ is the end of the text alone. What is no pattern stays none.
std::string pcre2_pattern(std::string_view pattern, PatternSyntax syntax,
                          const std::function<bool(const std::string& name)>& is_script);

/// What \w means to Rust, but for joiners, as the inside of a class; Oniguruma takes all of \p{N}.
inline constexpr const char* kWordCharacters =
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24b6}-\x{24e9}\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";

}  // namespace hadal
