#include "hadal/metrics/translation.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "hadal/data/text/text_split.h"
#include "hadal/data/text/unicode.h"

namespace hadal {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_point(char c) { return c == '.' || c == ','; }
/// ASCII's punctuation but ' , - . which have rules of their own.
bool is_symbol(char c) {
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
         (c >= ':' && c <= '@') || c == '/';
}

void replace_all(std::string& text, std::string_view old, std::string_view with) {
  for (auto at = text.find(old); at != std::string::npos; at = text.find(old, at + with.size()))
    text.replace(at, old.size(), with);
}

/// Where two neighbours are what the tests say, spaces are put before, between and behind them, as `spaces` has them.
template <class First, class Second>
std::string parted(const std::string& text, First first, Second second, const std::array<bool, 3>& spaces) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i + 1 == text.size() || !first(text[i]) || !second(text[i + 1])) {
      out += text[i];
      continue;
    }
    if (spaces[0]) out += ' ';
    out += text[i];
    if (spaces[1]) out += ' ';
    out += text[++i];
    if (spaces[2]) out += ' ';
  }
  return out;
}

/// What Python's str.split() takes for a space: \s and four separators of ASCII's control characters.
bool is_blank(char32_t code) { return char_kind(code) == CharKind::space || (code >= 0x1C && code <= 0x1F); }

/// The text's characters, each as its bytes, spaces left out; `words` begins a new list at each space instead.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const auto [code, length] = any_character_at(text, at);
    const bool blank = is_blank(code);
    if (!blank && !inside) words.emplace_back();
    if (!blank) words.back().append(text.substr(at, length));
    inside = !blank;
    at += length;
  }
  return words;
}

using Counts = std::unordered_map<std::string_view, int64_t>;

struct Overlap {
  int64_t ours = 0, theirs = 0, matches = 0;
};

Overlap overlap(const Counts& ours, const Counts& theirs) {
  Overlap made;
  for (const auto& [gram, count] : theirs) made.theirs += count;
  for (const auto& [gram, count] : ours) {
    made.ours += count;
    if (const auto found = theirs.find(gram); found != theirs.end()) made.matches += std::min(count, found->second);
  }
  return made;
}

/// Pieces one behind the other, and every run of `order` of them, counted.
struct Grams {
  std::string joined;
  std::vector<size_t> begins;

  void add(std::string_view piece, std::string_view behind) {
    begins.push_back(joined.size());
    joined.append(piece).append(behind);
  }
  Counts count(size_t order) const {
    Counts counts;
    for (size_t i = 0; i + order <= begins.size(); ++i) {
      const auto end = i + order < begins.size() ? begins[i + order] : joined.size();
      ++counts[std::string_view(joined).substr(begins[i], end - begins[i])];
    }
    return counts;
  }
};

Grams word_grams(std::string_view text, bool lowercase) {
  Grams grams;
  for (const auto& word : words_13a(lowercase ? unicode_form(text, "lower") : std::string(text))) grams.add(word, " ");
  return grams;
}

Grams character_grams(std::string_view text) {
  Grams grams;
  for (const auto& word : words_of(text))
    for (size_t at = 0; at < word.size();) {
      const auto length = any_character_at(word, at).length;
      grams.add(std::string_view(word).substr(at, length), "");
      at += length;
    }
  return grams;
}

}  // namespace

std::vector<std::string> words_13a(std::string_view line) {
  std::string text(line);
  // Of bytes from 0x80 on each is but a part of a character.
  while (!text.empty() && static_cast<uint8_t>(text.back()) < 0x80 && is_blank(static_cast<uint8_t>(text.back())))
    text.pop_back();
  replace_all(text, "<skipped>", "");
  replace_all(text, "-\n", "");
  std::replace(text.begin(), text.end(), '\n', ' ');
  replace_all(text, "&quot;", "\"");
  replace_all(text, "&amp;", "&");
  replace_all(text, "&lt;", "<");
  replace_all(text, "&gt;", ">");
  std::string spaced = " ";
  for (const auto c : text)
    if (is_symbol(c))
      spaced.append(" ").append(1, c).append(" ");
    else
      spaced += c;
  spaced += ' ';
  const auto no_digit = [](char c) { return !is_digit(c); };
  const auto dash = [](char c) { return c == '-'; };
  spaced = parted(spaced, no_digit, is_point, {false, true, true});
  spaced = parted(spaced, is_point, no_digit, {true, true, false});
  spaced = parted(spaced, is_digit, dash, {false, true, true});
  return words_of(spaced);
}

void Bleu::add(std::string_view translation, std::string_view reference) {
  const auto ours = word_grams(translation, lowercase_), theirs = word_grams(reference, lowercase_);
  length_ += static_cast<int64_t>(ours.begins.size());
  reference_length_ += static_cast<int64_t>(theirs.begins.size());
  for (size_t order = 1; order <= kOrders; ++order) {
    const auto found = overlap(ours.count(order), theirs.count(order));
    correct_[order - 1] += found.matches;
    total_[order - 1] += found.ours;
  }
}

double Bleu::score() const {
  if (std::all_of(correct_.begin(), correct_.end(), [](int64_t count) { return count == 0; })) return 0;
  double sum = 0, smoothing = 1;
  for (size_t i = 0; i < kOrders; ++i) {
    if (total_[i] == 0) return 0;
    if (correct_[i] == 0) smoothing *= 2;
    const auto matched = correct_[i] == 0 ? 1 / smoothing : static_cast<double>(correct_[i]);
    sum += std::log(100 * matched / static_cast<double>(total_[i]));
  }
  const auto shorter = static_cast<double>(reference_length_) / static_cast<double>(length_);
  return std::exp(std::min(0.0, 1 - shorter) + sum / static_cast<double>(kOrders));
}

void Chrf::add(std::string_view translation, std::string_view reference) {
  const auto ours = character_grams(translation), theirs = character_grams(reference);
  for (size_t order = 1; order <= kOrders; ++order) {
    const auto found = overlap(ours.count(order), theirs.count(order));
    translation_[order - 1] += found.theirs > 0 ? found.ours : 0;  // no reference, no miss
    reference_[order - 1] += found.theirs;
    matches_[order - 1] += found.matches;
  }
}

double Chrf::score() const {
  double precision = 0, recall = 0, orders = 0;
  for (size_t i = 0; i < kOrders; ++i) {
    if (translation_[i] == 0 || reference_[i] == 0) continue;
    precision += static_cast<double>(matches_[i]) / static_cast<double>(translation_[i]);
    recall += static_cast<double>(matches_[i]) / static_cast<double>(reference_[i]);
    ++orders;
  }
  if (precision + recall == 0) return 0;
  precision /= orders, recall /= orders;
  constexpr double kBeta2 = 4;
  return 100 * (1 + kBeta2) * precision * recall / (kBeta2 * precision + recall);
}

}  // namespace hadal
