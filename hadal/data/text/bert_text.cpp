#include "hadal/data/text/bert_text.h"

#include <algorithm>
#include <iterator>

#include "hadal/data/text/text_split.h"
#include "hadal/data/text/unicode.h"

namespace hadal {
namespace {

#include "hadal/data/text/bert_ranges.inc"
// One gap is the library's, not Unicode's: U+2B820 to U+2B91F.
constexpr CodeRange kChinese[] = {{0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},  {0x20000, 0x2a6df},
                                  {0x2a700, 0x2b81f}, {0x2b920, 0x2ceaf}, {0x2f800, 0x2fa1f}};

template <size_t N>
bool within(const CodeRange (&ranges)[N], char32_t code) {
  const auto* found = std::upper_bound(std::begin(ranges), std::end(ranges), code,
                                       [](char32_t value, const CodeRange& range) { return value < range.first; });
  return found != std::begin(ranges) && code <= std::prev(found)->last;
}

/// `use` is called with every character's code and bytes.
template <class Use>
void each_character(std::string_view text, const Use& use) {
  for (size_t at = 0; at < text.size();) {
    const auto [code, length] = any_character_at(text, at);
    use(code, text.substr(at, length));
    at += length;
  }
}

template <size_t N>
std::string without(const CodeRange (&ranges)[N], std::string_view text) {
  std::string out;
  out.reserve(text.size());
  each_character(text, [&](char32_t code, std::string_view bytes) {
    if (!within(ranges, code)) out += bytes;
  });
  return out;
}

bool is_space(char32_t code) { return char_kind(code) == CharKind::space; }

bool is_mark(char32_t code) {
  if (code < 0x80) return code > ' ' && code < 0x7f && char_kind(code) == CharKind::other;
  return within(kPunctuation, code);
}

}  // namespace

std::string bert_clean(std::string_view text, const BertCleaning& cleaning) {
  std::string out;
  out.reserve(text.size());
  each_character(text, [&](char32_t code, std::string_view bytes) {
    if (cleaning.clean) {
      const bool kept = code == '\t' || code == '\n' || code == '\r';
      if (!kept && (code == kNoCharacter || within(kRemoved, code))) return;
      if (is_space(code)) {
        out += ' ';
        return;
      }
    }
    const bool apart = cleaning.apart && within(kChinese, code);
    if (apart) out += ' ';
    out += bytes;
    if (apart) out += ' ';
  });
  // What is ASCII alone has no accents.
  const bool ascii = std::all_of(out.begin(), out.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
  if (cleaning.strip_accents && !ascii) out = without(kNonSpacing, unicode_form(out, "NFD"));
  if (cleaning.lower && ascii)
    for (auto& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  else if (cleaning.lower)
    out = unicode_form(out, "lower");
  return out;
}

void bert_cut(std::string_view text, const std::function<void(std::string_view word)>& sink) {
  size_t begin = 0, at = 0;
  const auto end_word = [&] {
    if (at > begin) sink(text.substr(begin, at - begin));
  };
  while (at < text.size()) {
    const auto [code, length] = any_character_at(text, at);
    const bool mark = is_mark(code);
    if (mark || is_space(code)) {
      end_word();
      if (mark) sink(text.substr(at, length));
      begin = at + length;
    }
    at += length;
  }
  end_word();
}

std::string without_marks(std::string_view text) { return without(kCombining, text); }

}  // namespace hadal
