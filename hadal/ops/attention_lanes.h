// Attention of as many heads at once as a vector has lanes, for many short sequences of narrow heads: every number is a
// vector across heads, so nothing is padded and nothing is summed across lanes.
#pragma once
#include "hadal/ops/attention_scores.h"
#include "hadal/ops/scratch.h"

namespace hadal::HADAL_SIMD {

using Four = float __attribute__((vector_size(16)));

inline Four load_four(const float* p) {
  Four v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline Four load_four(const Bf16* p) {
  using FourWords = uint32_t __attribute__((vector_size(16)));
  uint16_t __attribute__((vector_size(8))) v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_bit_cast(Four, __builtin_convertvector(v, FourWords) << 16);
}

// Four neighbouring numbers of each lane's row <-> four vectors: within each quarter of a vector, rows and columns of
// 4 x 4 numbers change places.
inline void turn_quarters(Floats (&m)[4]) {
  constexpr auto kAll = std::make_integer_sequence<int, kLanes>();
  exchange<1>(m[0], m[1], kAll), exchange<1>(m[2], m[3], kAll);
  exchange<2>(m[0], m[2], kAll), exchange<2>(m[1], m[3], kAll);
}

/// The heads of one item: lane i is head first + i, the last ones repeated where there are no more.
template <class T>
class Lanes {
 public:
  Lanes(const AttentionTask& t, const HeadsView& view, int64_t first)
      : step_(view.row), count_(smaller(kLanes, t.batch * t.heads - first)) {
    for (int i = 0; i < kLanes; ++i) {
      const auto pair = first + smaller(i, count_ - 1);
      rows_[i] = head_of<T>(view, pair / t.heads, pair % t.heads);
    }
  }
  /// to[(row * width + column) * kLanes + lane]; the width is a multiple of 4.
  void gather(int64_t rows, int64_t width, float* to) const {
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t d = 0; d < width; d += 4, to += 4 * kLanes) {
        alignas(64) float quarters[4][kLanes];
        for (int i = 0; i < kLanes; ++i) {
          const auto four = load_four(rows_[i] + row * step_ + d);
          __builtin_memcpy(&quarters[i % 4][i / 4 * 4], &four, sizeof four);
        }
        Floats m[4];
        for (int i = 0; i < 4; ++i) m[i] = load(quarters[i]);
        turn_quarters(m);
        for (int i = 0; i < 4; ++i) store(to + i * kLanes, m[i]);
      }
  }
  void scatter(int64_t rows, int64_t width, const float* from, float factor) const {
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t d = 0; d < width; d += 4, from += 4 * kLanes) {
        Floats m[4];
        for (int i = 0; i < 4; ++i) m[i] = load(from + i * kLanes) * factor;
        turn_quarters(m);
        T quarters[4][kLanes];
        for (int i = 0; i < 4; ++i) store(quarters[i], m[i]);
        for (int i = 0; i < count_; ++i)
          __builtin_memcpy(rows_[i] + row * step_ + d, &quarters[i % 4][i / 4 * 4], 4 * sizeof(T));
      }
  }

 private:
  T* rows_[kLanes];
  int64_t step_, count_;
};

/// log2(x) for x > 0: the exponent and a line through the mantissa, corrected twice by Newton's rule on 2^y.
inline Floats log2(Floats x) {
  const auto bits = __builtin_convertvector(__builtin_bit_cast(Ints, x), Floats);
  auto y = bits * 0x1p-23f - 126.957f;
  for (int i = 0; i < 2; ++i) y += (x * exp2<false>(-y) - 1.f) * kLog2E;
  return y;
}

template <class T, int kWidth>
class InLanes {
 public:
  InLanes(const AttentionTask& task, float* scratch) : t(task), pieces{scratch} {
    const auto rows = t.queries * kWidth * kLanes, columns = t.keys * kWidth * kLanes;
    q_ = pieces.take(rows), out_ = pieces.take(rows), k_ = pieces.take(columns), v_ = pieces.take(columns);
    normalizers_ = pieces.take(t.queries * kLanes), scores_ = pieces.take(t.keys * kLanes);
    if (!t.dout.data) return;
    dout_ = pieces.take(rows), dq_ = pieces.take(rows), dk_ = pieces.take(columns), dv_ = pieces.take(columns);
  }
  int64_t floats() const { return pieces.used; }

  void forward(int64_t item, int64_t) {
    const auto first = item * kLanes;
    Lanes<T>(t, t.q, first).gather(t.queries, kWidth, q_);
    Lanes<T>(t, t.k, first).gather(t.keys, kWidth, k_);
    Lanes<T>(t, t.v, first).gather(t.keys, kWidth, v_);
    for (int64_t i = 0; i < t.queries; ++i) query(first, i);
    Lanes<T>(t, t.out, first).scatter(t.queries, kWidth, out_, 1);
    for (int64_t lane = 0; lane < smaller(kLanes, t.batch * t.heads - first); ++lane)
      for (int64_t i = 0; i < t.queries; ++i)
        t.normalizers[(first + lane) * t.queries + i] = normalizers_[i * kLanes + lane];
  }

  void backward(int64_t item, int64_t) {
    const auto first = item * kLanes;
    Lanes<T>(t, t.q, first).gather(t.queries, kWidth, q_);
    Lanes<T>(t, t.out, first).gather(t.queries, kWidth, out_);
    Lanes<T>(t, t.dout, first).gather(t.queries, kWidth, dout_);
    Lanes<T>(t, t.k, first).gather(t.keys, kWidth, k_);
    Lanes<T>(t, t.v, first).gather(t.keys, kWidth, v_);
    for (int64_t lane = 0; lane < kLanes; ++lane)
      for (int64_t i = 0; i < t.queries; ++i)
        normalizers_[i * kLanes + lane] = t.normalizers[smaller(first + lane, t.batch * t.heads - 1) * t.queries + i];
    for (int64_t i = 0; i < t.keys * kWidth * kLanes; i += kLanes) store(dk_ + i, Floats{}), store(dv_ + i, Floats{});
    for (int64_t i = 0; i < t.queries; ++i) query_backward(first, i);
    Lanes<T>(t, t.dq, first).scatter(t.queries, kWidth, dq_, t.scale);
    Lanes<T>(t, t.dk, first).scatter(t.keys, kWidth, dk_, t.scale);
    Lanes<T>(t, t.dv, first).scatter(t.keys, kWidth, dv_, 1);
  }

 private:
  struct Row {
    Floats at[kWidth];
  };
  static Row row(const float* from, int64_t i) {
    Row row;
    for (int d = 0; d < kWidth; ++d) row.at[d] = load(from + (i * kWidth + d) * kLanes);
    return row;
  }
  static void put(float* to, int64_t i, const Row& row) {
    for (int d = 0; d < kWidth; ++d) store(to + (i * kWidth + d) * kLanes, row.at[d]);
  }
  static Floats product(const Row& a, const Row& b) {
    Floats sum = a.at[0] * b.at[0];
    for (int d = 1; d < kWidth; ++d) sum += a.at[d] * b.at[d];
    return sum;
  }
  static void add(Row& to, Floats factor, const Row& row) {
    for (int d = 0; d < kWidth; ++d) to.at[d] += factor * row.at[d];
  }

  struct Dice {
    Words first, second;
  };
  Dice dice(int64_t first, int64_t query) const {
    Dice dice{};
    for (int lane = 0; t.drop_below && lane < kLanes; ++lane) {
      const RowDice one(t, (first + lane) / t.heads, (first + lane) % t.heads, query);
      dice.first[lane] = one.first, dice.second[lane] = one.second;
    }
    return dice;
  }
  Floats kept_at(const Dice& dice, int64_t key) const {
    return kept(t, roll(dice.first, dice.second, spread(static_cast<uint32_t>(key))));
  }

  void query(int64_t first, int64_t i) {
    const auto seen = keys_seen(t, {i, i + 1});
    const auto rolls = dice(first, i);
    auto q = row(q_, i);
    for (auto& x : q.at) x *= t.scale * kLog2E;
    auto most = spread(kLowest);
    for (auto j = seen.first; j < seen.last; ++j) {
      const auto score = product(q, row(k_, j));
      store(scores_ + j * kLanes, score);
      most = max(score, most);
    }
    Floats total{};
    Row out{};
    for (auto j = seen.first; j < seen.last; ++j) {
      auto weight = exp2<kRough>(load(scores_ + j * kLanes) - most);
      total += weight;
      if (t.drop_below) weight *= kept_at(rolls, j);
      add(out, weight, row(v_, j));
    }
    const auto empty = total == 0.f;
    const auto factor = empty ? Floats{} : 1.f / total;
    for (auto& x : out.at) x *= factor;
    put(out_, i, out);
    store(normalizers_ + i * kLanes, empty ? spread(kInfinity) : most + log2(total));
  }

  void query_backward(int64_t first, int64_t i) {
    const auto seen = keys_seen(t, {i, i + 1});
    const auto rolls = dice(first, i);
    const auto q = row(q_, i), dout = row(dout_, i);
    const auto mean = product(dout, row(out_, i)), normalizer = load(normalizers_ + i * kLanes);
    const auto scale = t.scale * kLog2E;
    Row dq{};
    for (auto j = seen.first; j < seen.last; ++j) {
      const auto k = row(k_, j);
      auto weight = exp2<kRough>(product(q, k) * scale - normalizer);
      auto dweight = product(dout, row(v_, j));
      auto used = weight;
      if (t.drop_below) {
        const auto keep = kept_at(rolls, j);
        dweight *= keep, used *= keep;
      }
      const auto dscore = weight * (dweight - mean);
      add(dq, dscore, k);
      auto dk = row(dk_, j), dv = row(dv_, j);
      add(dk, dscore, q), add(dv, used, dout);
      put(dk_, j, dk), put(dv_, j, dv);
    }
    put(dq_, i, dq);
  }

  static constexpr bool kRough = sizeof(T) == 2;
  const AttentionTask& t;
  Pieces pieces;
  float *q_, *out_, *k_, *v_, *normalizers_, *scores_, *dout_, *dq_, *dk_, *dv_;
};

}  // namespace hadal::HADAL_SIMD
