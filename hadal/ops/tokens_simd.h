// The kernels of tokens_kernels.h, for whichever CPU includes this (see simd.h). A block of rows goes through the whole
// MLP while it lies in the first cache; its hidden layer is computed again in the backward pass instead of being kept.
#pragma once
#include "hadal/ops/simd.h"
#include "hadal/ops/tokens_kernels.h"

namespace hadal::HADAL_SIMD {

constexpr int kBlock = 32;  // rows

/// Factors of dropout for the elements counted from `first`: 0 or the scale. The hash is Wellons' lowbias32 with a
/// second half of the seed mixed in behind it.
struct Keep {
  Words low, high, threshold;
  Floats scale;

  explicit Keep(const DropoutTask& task)
      : low(spread(static_cast<uint32_t>(task.seed))),
        high(spread(static_cast<uint32_t>(task.seed >> 32))),
        threshold(spread(task.threshold)),
        scale(spread(task.scale)) {}

  Floats operator()(int64_t first) const {
    Words x = count_up(static_cast<uint32_t>(first)) + low;
    x ^= x >> 16;
    x *= spread(0x7feb352du);
    x ^= x >> 15;
    x *= spread(0x846ca68bu);
    x ^= (x >> 16) ^ high;
    x *= spread(0x9e3779b1u);
    x ^= x >> 15;
    return x < threshold ? scale : Floats{};
  }
};

/// gelu(z) = z P(z) with P the normal distribution's integral (Hendrycks & Gimpel 2016), and its derivative. The
/// integral by Abramowitz & Stegun 7.1.26, to 1e-7.
struct Gelu {
  Floats value, slope;

  explicit Gelu(Floats z) {
    const Floats magnitude = z < 0.f ? -z : z;
    const Floats t = 1.f / (magnitude * (0.3275911f * 0.70710678f) + 1.f);
    const Floats bell = exp2<false>(z * z * (-0.5f * 1.44269504f));
    const Floats tail =
        ((((t * 1.061405429f - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t * bell *
        0.5f;
    const Floats integral = z < 0.f ? tail : 1.f - tail;
    value = z * integral;
    slope = integral + z * bell * 0.39894228f;
  }
};

/// c (rows, n) = a (rows, k) b (k, n) [+ bias]: every kLanes columns of kRows rows go to `done(row, column, sums)`.
template <int kRows, int kColumns, class Done>
inline void product_tile(const float* a, int64_t k, const float* b, int64_t n, const float* bias, int64_t row,
                         int64_t column, Done& done) {
  Floats sums[kRows][kColumns];
#pragma GCC unroll 8
  for (int j = 0; j < kColumns; ++j) {
    const Floats start = bias ? load(bias + column + j * kLanes) : Floats{};
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) sums[i][j] = start;
  }
  for (int64_t p = 0; p < k; ++p) {
    Floats right[kColumns];
#pragma GCC unroll 8
    for (int j = 0; j < kColumns; ++j) right[j] = load(b + p * n + column + j * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const Floats left = spread(a[(row + i) * k + p]);
#pragma GCC unroll 8
      for (int j = 0; j < kColumns; ++j) sums[i][j] += left * right[j];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < kColumns; ++j) done(row + i, column + j * kLanes, sums[i][j]);
}

template <int kColumns, int kRows, class Done>
inline void product_columns(const float* a, int64_t k, const float* b, int64_t n, const float* bias, int64_t rows,
                            int64_t column, Done& done) {
  int64_t row = 0;
  for (; row + kRows <= rows; row += kRows) product_tile<kRows, kColumns>(a, k, b, n, bias, row, column, done);
  for (; row < rows; ++row) product_tile<1, kColumns>(a, k, b, n, bias, row, column, done);
}

template <class Done>
inline void product(const float* a, int64_t k, const float* b, int64_t n, const float* bias, int64_t rows, Done done) {
  int64_t column = 0;
  if constexpr (kLanes == 16)
    for (; column + 4 * kLanes <= n; column += 4 * kLanes) product_columns<4, 4>(a, k, b, n, bias, rows, column, done);
  for (; column + 2 * kLanes <= n; column += 2 * kLanes) product_columns<2, 4>(a, k, b, n, bias, rows, column, done);
  for (; column < n; column += kLanes) product_columns<1, 8>(a, k, b, n, bias, rows, column, done);
}

/// g (k, n) += a (rows, k)^T b (rows, n).
template <int kRows, int kColumns>
inline void outer_tile(const float* a, int64_t k, const float* b, int64_t n, int64_t rows, float* g, int64_t row,
                       int64_t column) {
  Floats sums[kRows][kColumns];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < kColumns; ++j) sums[i][j] = load(g + (row + i) * n + column + j * kLanes);
  for (int64_t r = 0; r < rows; ++r) {
    Floats right[kColumns];
#pragma GCC unroll 8
    for (int j = 0; j < kColumns; ++j) right[j] = load(b + r * n + column + j * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const Floats left = spread(a[r * k + row + i]);
#pragma GCC unroll 8
      for (int j = 0; j < kColumns; ++j) sums[i][j] += left * right[j];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < kColumns; ++j) store(g + (row + i) * n + column + j * kLanes, sums[i][j]);
}

inline void outer(const float* a, int64_t k, const float* b, int64_t n, int64_t rows, float* g) {
  for (int64_t row = 0; row < k; row += 4) {
    int64_t column = 0;
    if constexpr (kLanes == 16)
      for (; column + 4 * kLanes <= n; column += 4 * kLanes) outer_tile<4, 4>(a, k, b, n, rows, g, row, column);
    for (; column + 2 * kLanes <= n; column += 2 * kLanes) outer_tile<4, 2>(a, k, b, n, rows, g, row, column);
    for (; column < n; column += kLanes) outer_tile<4, 1>(a, k, b, n, rows, g, row, column);
  }
}

inline void add_rows(const float* b, int64_t n, int64_t rows, float* sum) {
  for (int64_t column = 0; column < n; column += kLanes) {
    Floats total = load(sum + column);
    for (int64_t r = 0; r < rows; ++r) total += load(b + r * n + column);
    store(sum + column, total);
  }
}

inline int64_t mlp_scratch(const MlpTask& t) { return kBlock * (2 * t.hidden + t.dim); }

inline void mlp_forward(const MlpTask& t, int64_t first, int64_t last, float* hidden) {
  const Keep inner(t.inner), outer(t.outer);
  for (auto begin = first; begin < last; begin += kBlock) {
    const auto rows = smaller(kBlock, last - begin);
    product(t.x + begin * t.dim, t.dim, t.w1_turned, t.hidden, t.b1, rows, [&](int64_t row, int64_t column, Floats z) {
      Floats h = Gelu(z).value;
      if (t.inner.active) h *= inner((begin + row) * t.hidden + column);
      store(hidden + row * t.hidden + column, h);
    });
    product(hidden, t.hidden, t.w2_turned, t.dim, t.b2, rows, [&](int64_t row, int64_t column, Floats y) {
      const auto place = (begin + row) * t.dim + column;
      if (t.outer.active) y *= outer(place);
      if (t.residual) y += load(t.residual + place);
      store(t.y + place, y);
    });
  }
}

inline void mlp_backward(const MlpTask& t, int64_t first, int64_t last, float* scratch, MlpGradients into) {
  const Keep inner(t.inner), outer_keep(t.outer);
  float *hidden = scratch, *slope = hidden + kBlock * t.hidden, *dropped = slope + kBlock * t.hidden;
  for (auto begin = first; begin < last; begin += kBlock) {
    const auto rows = smaller(kBlock, last - begin);
    const auto *x = t.x + begin * t.dim, *g = t.dy + begin * t.dim;
    if (t.outer.active) {
      for (int64_t i = 0; i < rows * t.dim; i += kLanes)
        store(dropped + i, load(g + i) * outer_keep(begin * t.dim + i));
      g = dropped;
    }
    product(x, t.dim, t.w1_turned, t.hidden, t.b1, rows, [&](int64_t row, int64_t column, Floats z) {
      const Gelu gelu(z);
      Floats h = gelu.value, s = gelu.slope;
      if (t.inner.active) {
        const Floats keep = inner((begin + row) * t.hidden + column);
        h *= keep, s *= keep;
      }
      store(hidden + row * t.hidden + column, h);
      store(slope + row * t.hidden + column, s);
    });
    outer(g, t.dim, hidden, t.hidden, rows, into.w2);
    add_rows(g, t.dim, rows, into.b2);
    product(g, t.dim, t.w2, t.hidden, nullptr, rows, [&](int64_t row, int64_t column, Floats dh) {
      float* s = slope + row * t.hidden + column;
      store(s, load(s) * dh);
    });
    outer(x, t.dim, slope, t.hidden, rows, into.w1_turned);
    add_rows(slope, t.hidden, rows, into.b1);
    product(slope, t.hidden, t.w1, t.dim, nullptr, rows,
            [&](int64_t row, int64_t column, Floats dx) { store(t.dx + (begin + row) * t.dim + column, dx); });
  }
}

template <class From, class To>
void dropout(const DropoutTask& task, const void* from, const float* residual, void* to, int64_t first, int64_t last) {
  const Keep keep(task);
  const auto* x = static_cast<const From*>(from);
  auto* y = static_cast<To*>(to);
  for (auto i = first; i < last; i += kLanes) {
    const auto count = smaller(kLanes, last - i);
    Floats v = load(x + i, count) * keep(i);
    if (residual) v += load(residual + i, count);
    store(y + i, v, count);
  }
}

inline TokenKernels token_kernels() {
  return {kLanes,
          mlp_scratch,
          mlp_forward,
          mlp_backward,
          {{dropout<float, float>, dropout<float, Bf16>}, {dropout<Bf16, float>, dropout<Bf16, Bf16>}}};
}

}  // namespace hadal::HADAL_SIMD
