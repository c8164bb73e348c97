// Small matrix products in registers, and the packed operands that they read. A unit is 32 bits of one operand: a
// float, or two neighbouring bf16 along the dimension that is summed over.
#pragma once
#include "hadal/ops/simd.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

namespace hadal::HADAL_SIMD {

struct InFloats {
  static constexpr int kDepth = 1;  // numbers in a unit
  static constexpr bool kRough = false;
  static void add_product(Floats& sum, Floats a, Floats b) { sum += a * b; }
};

#ifdef __AVX512BF16__
struct InPairs {
  static constexpr int kDepth = 2;
  static constexpr bool kRough = true;
  static void add_product(Floats& sum, Floats a, Floats b) {
    sum = _mm512_dpbf16_ps(sum, __builtin_bit_cast(__m512bh, a), __builtin_bit_cast(__m512bh, b));
  }
  /// Lane i: even[i] as bf16 below odd[i].
  static Floats paired(Floats even, Floats odd) {
    alignas(64) static constexpr uint16_t kOrder[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const auto both = __builtin_bit_cast(__m512i, _mm512_cvtne2ps_pbh(odd, even));
    return __builtin_bit_cast(Floats, _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), both));
  }
  /// The lanes of `low`, then of `high`, as bf16.
  static Floats narrowed(Floats low, Floats high) { return __builtin_bit_cast(Floats, _mm512_cvtne2ps_pbh(high, low)); }
};
#endif

constexpr int kRows = 6;                        // of a register tile
constexpr int kColumns = kLanes == 16 ? 4 : 2;  // vectors of one
constexpr int kBlock = 64;                      // keys at a time

// c (+)= a b on a register tile, where element (r, u) of a is at a[r * a_row + u * a_unit].
template <class Math, int kVectors, bool kAdd>
inline void tile_product(float* c, int64_t c_row, const float* a, int64_t a_row, int64_t a_unit, const float* b,
                         int64_t b_unit, int64_t units) {
  Floats sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) sums[r][n] = kAdd ? load(c + r * c_row + n * kLanes) : Floats{};
  for (int64_t u = 0; u < units; ++u) {
    Floats row[kVectors];
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) row[n] = load(b + u * b_unit + n * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const auto factor = spread(a[r * a_row + u * a_unit]);
#pragma GCC unroll 4
      for (int n = 0; n < kVectors; ++n) Math::add_product(sums[r][n], factor, row[n]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) store(c + r * c_row + n * kLanes, sums[r][n]);
}

/// c (+)= a b for kRows rows and any number of vectors.
template <class Math, bool kAdd>
inline void product(float* c, int64_t c_row, const float* a, int64_t a_row, int64_t a_unit, const float* b,
                    int64_t b_unit, int64_t units, int64_t vectors) {
  int64_t n = 0;
  for (; n + kColumns <= vectors; n += kColumns)
    tile_product<Math, kColumns, kAdd>(c + n * kLanes, c_row, a, a_row, a_unit, b + n * kLanes, b_unit, units);
  c += n * kLanes, b += n * kLanes;
  switch (vectors - n) {
    case 1:
      return tile_product<Math, 1, kAdd>(c, c_row, a, a_row, a_unit, b, b_unit, units);
    case 2:
      return tile_product<Math, 2, kAdd>(c, c_row, a, a_row, a_unit, b, b_unit, units);
    case 3:
      return tile_product<Math, 3, kAdd>(c, c_row, a, a_row, a_unit, b, b_unit, units);
  }
}

// Lanes u, u + 1, ... of a row as units.
template <class Math, class T>
inline Floats load_units(const T* row, int64_t u, int64_t width) {
  if constexpr (Math::kDepth == 1) {
    return load(row + u, width - u);
  } else {
    const auto count = width - 2 * u;
    if (count >= 2 * kLanes) return load(reinterpret_cast<const float*>(row + 2 * u));
    uint16_t part[2 * kLanes] = {};
    for (int64_t i = 0; i < count; ++i) part[i] = row[2 * u + i].bits;
    return __builtin_bit_cast(Floats, part);
  }
}

template <class Math>
constexpr int64_t units_of(int64_t count) {
  return (count + Math::kDepth - 1) / Math::kDepth;
}
/// Floats from one packed row of `width` numbers, padded to whole vectors, to the next.
constexpr int64_t padded(int64_t width) { return up_to_multiple(width, kLanes); }

/// Rows of a head lie apart from each other, where the hardware does not foresee the next one.
template <class T>
void expect_row(const T* from, int64_t step, int64_t row, int64_t count, int64_t width) {
  constexpr int64_t kAhead = 12, kLine = 64 / sizeof(T);
  if (row + kAhead < count)
    for (int64_t d = 0; d < width; d += kLine) __builtin_prefetch(from + (row + kAhead) * step + d);
}

/// `count` rows as units along the width, zeros up to `rows` of them: to[row][unit], padded(units) floats a row.
template <class Math, class T>
void pack_rows(const T* from, int64_t step, int64_t count, int64_t rows, int64_t width, float* to) {
  const auto units = units_of<Math>(width);
  for (int64_t r = 0; r < rows; ++r) {
    expect_row(from, step, r, count, width);
    for (int64_t u = 0; u < units; u += kLanes)
      store(to + r * padded(units) + u, r < count ? load_units<Math>(from + r * step, u, width) : Floats{});
  }
}

/// Up to kBlock rows as units along the width, turned, zeros in the other rows' columns: to[unit][row], kBlock floats a
/// unit, padded(units) units.
template <class Math, class T>
void pack_turned(const T* from, int64_t step, int64_t count, int64_t width, float* to) {
  for (int64_t r = 0; r < up_to_multiple(count, kLanes); r += kLanes) {
    for (int i = 0; i < kLanes; ++i) expect_row(from, step, r + i, count, width);
    for (int64_t u = 0; u < units_of<Math>(width); u += kLanes) {
      Floats m[kLanes];
      for (int i = 0; i < kLanes; ++i)
        m[i] = r + i < count ? load_units<Math>(from + (r + i) * step, u, width) : Floats{};
      transpose(m);
      for (int i = 0; i < kLanes; ++i) store(to + (u + i) * kBlock + r, m[i]);
    }
  }
}

/// `count` rows as units along the rows, zeros up to `rows` of them and in half a unit: to[unit][column], padded(width)
/// floats a unit.
template <class Math, class T>
void pack_down(const T* from, int64_t step, int64_t count, int64_t rows, int64_t width, float* to) {
  for (int64_t r = 0; r < rows; r += Math::kDepth, to += padded(width)) {
    for (int i = 0; i < Math::kDepth; ++i) expect_row(from, step, r + i, count, width);
    for (int64_t d = 0; d < width; d += kLanes) {
      const auto row = [&](int64_t i) { return i < count ? load(from + i * step + d, width - d) : Floats{}; };
      if constexpr (Math::kDepth == 1)
        store(to + d, row(r));
      else  // both rows are bf16 already: the upper half of a word each
        store(to + d, floats((words(row(r)) >> 16) | words(row(r + 1))));
    }
  }
}

}  // namespace hadal::HADAL_SIMD
