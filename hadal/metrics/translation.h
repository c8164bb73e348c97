// How close translations come to references, as sacreBLEU computes it (Post 2018, arXiv:1804.08771), from 0 to 100.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

/// BLEU of a corpus (Papineni et al. 2002): words by mteval-13a, four orders, one reference, exponential smoothing.
class Bleu {
 public:
  /// `lowercase` lowers both sides first; letters beyond ASCII want a build with the Unicode library.
  explicit Bleu(bool lowercase = false) : lowercase_(lowercase) {}
  void add(std::string_view translation, std::string_view reference);
  /// 0 before the first sentence.
  double score() const;

 private:
  static constexpr size_t kOrders = 4;
  bool lowercase_;
  std::array<int64_t, kOrders> correct_{}, total_{};
  int64_t length_ = 0, reference_length_ = 0;
};

/// chrF2 of a corpus (Popović 2015, doi:10.18653/v1/W15-3049): six orders of characters without spaces, beta 2.
class Chrf {
 public:
  void add(std::string_view translation, std::string_view reference);
  double score() const;

 private:
  static constexpr size_t kOrders = 6;
  std::array<int64_t, kOrders> translation_{}, reference_{}, matches_{};
};

/// Words and punctuation apart, as mteval-v13a.pl and sacreBLEU's 13a do it.
std::vector<std::string> words_13a(std::string_view text);

}  // namespace hadal
