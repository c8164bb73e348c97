#include "hadal/core/error.h"
#include "hadal/data/text/text_split.h"

namespace hadal {

struct TextPattern::Compiled {};

TextPattern::TextPattern(const std::string&, PatternSyntax, std::string_view name) {
  throw FileError(name,
                  "this build of Hadal has no regular expressions (HADAL_CORE_ONLY); GPT-2's pattern is built in");
}
TextPattern::~TextPattern() = default;
TextPattern::TextPattern(TextPattern&&) noexcept = default;
TextPattern& TextPattern::operator=(TextPattern&&) noexcept = default;
void TextPattern::find_all(std::string_view, const std::function<void(const Match&)>&) const {}

std::string unicode_form(std::string_view, std::string_view form) {
  fail("this build of Hadal has no Unicode library (HADAL_CORE_ONLY): no {}", form);
}

bool has_unicode_library() { return false; }

}  // namespace hadal
