// Attention of a few queries to many keys, as when a text goes on token by token: each key and value is read once,
// where it lies, for all queries and heads that share it.
#pragma once
#include "hadal/ops/attention_scores.h"
#include "hadal/ops/attention_tiles.h"
#include "hadal/ops/scratch.h"

namespace hadal::HADAL_SIMD {

template <class Math>
class Decode {
 public:
  Decode(const AttentionTask& task, float* scratch) : t(task), pieces{scratch} {
    queries_ = pieces.take(kFew * padded(units_of<Math>(t.width)));
    out_ = pieces.take(kFew * padded(t.width));
    scores_ = pieces.take(kFew * kBlock);
  }
  int64_t floats() const { return pieces.used; }

  template <class T>
  void run(int64_t item, int64_t) {
    const auto group = item % t.groups, batch = item / t.groups, share = t.heads / t.groups;
    // Query i of the head's h-th sharer is row h * queries + i.
    for (int64_t first = 0; first < share * t.queries;) {
      const bool few = share * t.queries - first >= kFew;
      few ? rows<T, kFew>(batch, group, first) : rows<T, 1>(batch, group, first);
      first += few ? kFew : 1;
    }
  }

 private:
  static constexpr int kFew = 4;  // rows at a time

  template <class T, int kCount>
  void rows(int64_t batch, int64_t group, int64_t first) {
    const auto units = units_of<Math>(t.width), wide = padded(t.width);
    int64_t head[kCount], query[kCount];
    Range seen{t.keys, 0};
    for (int r = 0; r < kCount; ++r) {
      head[r] = group * (t.heads / t.groups) + (first + r) / t.queries, query[r] = (first + r) % t.queries;
      const auto own = keys_seen(t, {query[r], query[r] + 1});
      seen = {smaller(seen.first, own.first), larger(seen.last, own.last)};
      pack_rows<Math>(head_of<T>(t.q, batch, head[r]) + query[r] * t.q.row, 0, 1, 1, t.width,
                      queries_ + r * padded(units));
    }
    for (int64_t i = 0; i < kCount * wide; i += kLanes) store(out_ + i, Floats{});
    float most[kCount], total[kCount] = {};
    for (auto& m : most) m = kLowest;

    const auto *keys = head_of<T>(t.k, batch, group), *values = head_of<T>(t.v, batch, group);
    for (auto key = seen.first; key < seen.last; key += kBlock) {
      const auto count = smaller(kBlock, seen.last - key);
      const auto vectors = (count + kLanes - 1) / kLanes;
      for (int64_t j = 0; j < count; ++j) {
        Floats sums[kCount] = {};
        for (int64_t u = 0; u < units; u += kLanes) {
          const auto part = load_units<Math>(keys + (key + j) * t.k.row, u, t.width);
          for (int r = 0; r < kCount; ++r) Math::add_product(sums[r], part, load(queries_ + r * padded(units) + u));
        }
        for (int r = 0; r < kCount; ++r) scores_[r * kBlock + j] = sum(sums[r]);
      }
      for (int r = 0; r < kCount; ++r) {
        auto* scores = scores_ + r * kBlock;
        for (auto j = count; j < vectors * kLanes; ++j) scores[j] = 0;
        const bool plain = all_plain(t, {query[r], query[r] + 1}, {key, key + vectors * kLanes});
        auto high = spread(kLowest);
        for (int64_t n = 0; n < vectors; ++n) {
          auto score = load(scores + n * kLanes) * (t.scale * kLog2E);
          if (!plain) score += added_at(t, batch, head[r], query[r], key + n * kLanes);
          store(scores + n * kLanes, score);
          high = max(score, high);
        }
        const auto now = largest(high), before = most[r];
        most[r] = now > before ? now : before;
        const auto shrink = exp2<false>(spread(before - most[r]))[0];
        const RowDice dice(t, batch, head[r], query[r]);
        Floats part{};
        for (int64_t n = 0; n < vectors; ++n) {
          auto weight = exp2<false>(load(scores + n * kLanes) - most[r]);
          part += weight;
          if (t.drop_below)
            weight *= kept(
                t, roll(spread(dice.first), spread(dice.second), count_up(static_cast<uint32_t>(key + n * kLanes))));
          store(scores + n * kLanes, weight);
        }
        total[r] = total[r] * shrink + sum(part);
        for (int64_t d = 0; d < wide; d += kLanes) store(out_ + r * wide + d, load(out_ + r * wide + d) * shrink);
      }
      for (int64_t d = 0; d < t.width; d += kLanes) {
        Floats sums[kCount];
        for (int r = 0; r < kCount; ++r) sums[r] = load(out_ + r * wide + d);
        for (int64_t j = 0; j < count; ++j) {
          const auto value = load(values + (key + j) * t.v.row + d, t.width - d);
          for (int r = 0; r < kCount; ++r) sums[r] += value * scores_[r * kBlock + j];
        }
        for (int r = 0; r < kCount; ++r) store(out_ + r * wide + d, sums[r]);
      }
    }
    for (int r = 0; r < kCount; ++r) {
      const auto factor = total[r] == 0 ? 0 : 1 / total[r];
      auto* to = head_of<T>(t.out, batch, head[r]) + query[r] * t.out.row;
      for (int64_t d = 0; d < t.width; d += kLanes) store(to + d, load(out_ + r * wide + d) * factor, t.width - d);
    }
  }

  const AttentionTask& t;
  Pieces pieces;
  float *queries_, *out_, *scores_;
};

}  // namespace hadal::HADAL_SIMD
