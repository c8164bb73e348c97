#include <algorithm>
#include <cstdlib>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <utf8proc.h>

#include "hadal/core/error.h"
#include "hadal/data/text/text_split.h"
#include "hadal/data/text/unicode.h"
#include "hadal/io/bytes.h"

namespace hadal {
namespace {

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* pointer) const { Free(pointer); }
};
using Code = std::unique_ptr<pcre2_code, Freed<pcre2_code, pcre2_code_free>>;
using Context = std::unique_ptr<pcre2_match_context, Freed<pcre2_match_context, pcre2_match_context_free>>;
using Data = std::unique_ptr<pcre2_match_data, Freed<pcre2_match_data, pcre2_match_data_free>>;

std::string reason(int error) {
  unsigned char text[256];
  pcre2_get_error_message(error, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

/// The place behind the class of characters whose inside begins at `at`; npos where it does not end.
size_t class_end(const std::string& pattern, size_t at) {
  if (at < pattern.size() && pattern[at] == '^') ++at;
  if (at < pattern.size() && pattern[at] == ']') ++at;  // the first is a character
  for (; at < pattern.size(); ++at) {
    if (pattern[at] == '\\')
      ++at;
    else if (pattern.compare(at, 2, "[:") == 0)
      at = std::min(pattern.find(":]", at), pattern.size() - 1) + 1;
    else if (pattern[at] == ']')
      return at + 1;
  }
  return std::string::npos;
}

/// \u4e00 as \x{4e00}.
std::string with_braces(const std::string& pattern) {
  std::string out;
  for (size_t at = 0; at < pattern.size();) {
    const auto hex = pattern.substr(std::min(at + 2, pattern.size()), 4);
    if (pattern.compare(at, 2, "\\u") == 0 && hex.size() == 4 &&
        hex.find_first_not_of("0123456789abcdefABCDEF") == hex.npos) {
      out += "\\x{" + hex + "}";
      at += 6;
    } else {
      const size_t length = pattern[at] == '\\' ? 2 : 1;
      out += pattern.substr(at, length);
      at += length;
    }
  }
  return out;
}

/// The libraries behind tokenizers read what PCRE2 does not: [A&&[^B]], an A that is no B, becomes (?:(?![B])[A]).
std::string without_joined_classes(const std::string& pattern, std::string_view name) {
  std::string out;
  for (size_t at = 0; at < pattern.size();) {
    if (pattern[at] != '[') {
      const size_t length = pattern[at] == '\\' ? 2 : 1;
      out += pattern.substr(at, length);
      at += length;
      continue;
    }
    const auto end = std::min(class_end(pattern, at + 1), pattern.size());
    const auto both = pattern.find("&&", at);
    if (both >= end) {
      out += pattern.substr(at, end - at);
      at = end;
      continue;
    }
    // What looked like the end of the class was that of the one within it.
    const bool taken_away = pattern.compare(both + 2, 2, "[^") == 0 && pattern[at + 1] != '^';
    if (!taken_away || class_end(pattern, both + 3) != end || end >= pattern.size() || pattern[end] != ']')
      throw FileError(name,
                      fmt::format("the pattern {} joins classes of characters in a way that Hadal cannot read; of "
                                  "&& it knows [A&&[^B]]",
                                  shown(pattern)));
    out += "(?:(?![" + pattern.substr(both + 4, end - both - 5) + "])" + pattern.substr(at, both - at) + "])";
    at = end + 1;
  }
  return out;
}

}  // namespace

struct TextPattern::Compiled {
  Code code;
  Context context;
};

TextPattern::TextPattern(const std::string& pattern, std::string_view name) : compiled_(new Compiled) {
  int error = 0;
  size_t offset = 0;
  const auto ours = without_joined_classes(with_braces(pattern), name);
  compiled_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(ours.data()), ours.size(),
                                      PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &error,
                                      &offset, nullptr));
  if (!compiled_->code)
    throw FileError(name, fmt::format("the pattern {} is no regular expression: {} at byte {}", shown(pattern),
                                      reason(error), offset));
  pcre2_jit_compile(compiled_->code.get(), PCRE2_JIT_COMPLETE);  // without it matching is slower, no more
  compiled_->context.reset(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(compiled_->context.get(), 1'000'000);
}
TextPattern::~TextPattern() = default;
TextPattern::TextPattern(TextPattern&&) noexcept = default;
TextPattern& TextPattern::operator=(TextPattern&&) noexcept = default;

void TextPattern::find_all(std::string_view text, const std::function<void(const Match&)>& found) const {
  const Data data(pcre2_match_data_create(1, nullptr));
  for (size_t at = 0; at < text.size();) {
    const auto count = pcre2_match(compiled_->code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, 0,
                                   data.get(), compiled_->context.get());
    if (count == PCRE2_ERROR_NOMATCH) return;
    if (count < 0) fail("a tokenizer's pattern fails on a text of {} bytes: {}", text.size(), reason(count));
    const auto* place = pcre2_get_ovector_pointer(data.get());
    if (place[1] > place[0]) {
      found({place[0], place[1]});
      at = place[1];
    } else {
      at = std::max(at, place[0]);
      if (at < text.size()) at += any_character_at(text, at).length;
    }
  }
}

std::string unicode_form(std::string_view text, std::string_view form) {
  const bool compatible = form == "NFKC" || form == "NFKD";
  std::string out;
  if (form == "lower") {
    for (size_t at = 0; at < text.size();) {
      const auto [code, length] = any_character_at(text, at);
      if (code == kNoCharacter)
        out += text[at];
      else if (code == U'\u0130')  // the one letter whose small one is two characters
        out += "i\u0307";
      else
        out += to_utf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code))));
      at += length;
    }
    return out;
  }
  const bool composed = form == "NFC" || form == "NFKC";
  const auto options = static_cast<utf8proc_option_t>(
      UTF8PROC_STABLE | (composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) | (compatible ? UTF8PROC_COMPAT : 0));
  utf8proc_uint8_t* made = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &made, options);
  if (length < 0) return std::string(text);  // not UTF-8: nothing to normalise
  out.assign(reinterpret_cast<const char*>(made), static_cast<size_t>(length));
  std::free(made);
  return out;
}

bool has_unicode_library() { return true; }

}  // namespace hadal
