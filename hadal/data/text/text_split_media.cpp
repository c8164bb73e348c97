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

Code compiled(const std::string& pattern, uint32_t options, int& error, size_t& offset) {
  return Code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | options, &error,
                            &offset, nullptr));
}

bool is_script(const std::string& name) {
  int error = 0;
  size_t offset = 0;
  return compiled("\\p{sc:" + name + "}", 0, error, offset) != nullptr;
}

}  // namespace

struct TextPattern::Compiled {
  Code code;
  Context context;
};

TextPattern::TextPattern(const std::string& pattern, PatternSyntax syntax, std::string_view name)
    : compiled_(new Compiled) {
  int error = 0;
  size_t offset = 0;
  compiled_->code = compiled(pcre2_pattern(pattern, syntax, is_script),
                             syntax == PatternSyntax::rust ? PCRE2_DOLLAR_ENDONLY : 0, error, offset);
  if (!compiled_->code)
    throw FileError(name, fmt::format("the pattern {} is no regular expression: {}", shown(pattern), reason(error)));
  pcre2_jit_compile(compiled_->code.get(), PCRE2_JIT_COMPLETE);  // without it matching is slower, no more
  compiled_->context.reset(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(compiled_->context.get(), 20'000'000);
}
TextPattern::~TextPattern() = default;
TextPattern::TextPattern(TextPattern&&) noexcept = default;
TextPattern& TextPattern::operator=(TextPattern&&) noexcept = default;

void TextPattern::find_all(std::string_view text, const std::function<void(const Match&)>& found) const {
  const Data data(pcre2_match_data_create(1, nullptr));
  for (size_t at = 0; at < text.size();) {
    const auto match = [&](uint32_t options) {
      return pcre2_match(compiled_->code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, options,
                         data.get(), compiled_->context.get());
    };
    auto count = match(0);
    if (count == PCRE2_ERROR_JIT_STACKLIMIT) count = match(PCRE2_NO_JIT);  // which remembers on the heap
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
