// Attention in tiles with a softmax that is corrected as larger scores come (Milakov and Gimelshein 2018,
// arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135): memory grows with the length alone, and scores are kept only of
// sequences so short that they are no larger than what went in and came out.
#pragma once
#include "hadal/ops/attention_scores.h"
#include "hadal/ops/attention_tiles.h"
#include "hadal/ops/foresight.h"
#include "hadal/ops/scratch.h"

namespace hadal::HADAL_SIMD {

inline int64_t blocks_of(const AttentionTask& t) { return (t.keys + kBlock - 1) / kBlock; }
// About so many tiles an item has.
inline int64_t tiles_of(const AttentionTask& t) {
  const auto all = t.heads / t.groups * ((t.queries + kRows - 1) / kRows) * blocks_of(t) / t.parts;
  return larger(1, t.causal ? all / 2 : all);
}
inline int64_t vectors_of(int64_t count) { return (count + kLanes - 1) / kLanes; }

/// A tile of kRows queries and a block of keys.
struct Tile {
  Range queries, keys;
  int64_t batch, head;
};

/// Finished scores of a tile that are kept for the backward pass: row after row, tile after tile, block after block, as
/// both passes go over them.
struct KeptScores {
  float* first;
  int64_t row;

  KeptScores(const AttentionTask& t, const Tile& tile) {
    const auto rows = up_to_multiple(t.queries, kRows), columns = up_to_multiple(t.keys, kLanes);
    const auto key = tile.keys.first, head = tile.batch * t.heads + tile.head;
    row = smaller(kBlock, columns - key);
    first = t.scores + head * rows * columns + key * rows + tile.queries.first * row;
  }
};

/// What dropout multiplies a tile's weights with.
inline void fill_kept(const AttentionTask& t, const Tile& tile, int64_t vectors, float* keep) {
  for (int r = 0; r < kRows; ++r) {
    const RowDice dice(t, tile.batch, tile.head, tile.queries.first + r);
    for (int64_t n = 0; n < vectors; ++n)
      store(keep + r * kBlock + n * kLanes,
            kept(t, roll(spread(dice.first), spread(dice.second),
                         count_up(static_cast<uint32_t>(tile.keys.first + n * kLanes)))));
  }
}

/// Makes products of queries and keys scores, base 2, but for a positive factor, which it returns: where nothing is
/// added to them, the pass that reads them can multiply as well.
inline float finish_scores(const AttentionTask& t, const Tile& tile, int64_t vectors, float* scores) {
  const auto scale = t.scale * kLog2E;
  if (scale > 0 && all_plain(t, tile.queries, {tile.keys.first, tile.keys.first + vectors * kLanes})) return scale;
  for (int r = 0; r < kRows; ++r)
    for (int64_t n = 0; n < vectors; ++n) {
      auto* at = scores + r * kBlock + n * kLanes;
      const auto key = tile.keys.first + n * kLanes;
      store(at, load(at) * scale + added_at(t, tile.batch, tile.head, tile.queries.first + r, key));
    }
  return 1;
}

template <class Math>
class Forward {
 public:
  Forward(const AttentionTask& task, float* scratch) : t(task), pieces{scratch} {
    const auto blocks = blocks_of(t);
    keys_ = pieces.take(blocks * kBlock * padded(units_of<Math>(t.width)));
    values_ = pieces.take(blocks * kBlock / Math::kDepth * padded(t.width));
    queries_ = pieces.take(kQueries * padded(units_of<Math>(t.width)));
    out_ = pieces.take(kQueries * padded(t.width));
    sums_ = pieces.take(kQueries * kLanes);
    largest_ = pieces.take(kQueries / kRows * kTall);
    scores_ = pieces.take(kRows * kBlock);
    keep_ = pieces.take(kRows * kBlock);
    weights_ = pieces.take(kRows * kBlock);
  }
  int64_t floats() const { return pieces.used; }

  template <class T>
  void run(int64_t item, int64_t next) {
    const auto [part, group, batch] = Item(t, item);
    const auto share = t.heads / t.groups;
    if (next >= 0) foresee<T>(Item(t, next));
    pack_keys<T>(batch, group);
    for (auto head = group * share; head < (group + 1) * share; ++head)
      for (auto first = part * kQueries; first < t.queries; first += t.parts * kQueries)
        block<T>(batch, head, {first, smaller(first + kQueries, t.queries)});
  }

  static constexpr int64_t kQueries = 96;  // a multiple of kRows

 private:
  static constexpr int kTall = 16;  // of the arrays with one number for each row of a tile

  template <class T>
  void foresee(const Item& next) {
    foresight_.add<T>(t.k, next.batch, next.group, t.keys, t.width);
    foresight_.add<T>(t.v, next.batch, next.group, t.keys, t.width);
    foresight_.add<T>(t.q, next.batch, next.group * (t.heads / t.groups), t.queries, t.width);
    foresight_.spread_over(tiles_of(t));
  }

  template <class T>
  void pack_keys(int64_t batch, int64_t group) {
    for (int64_t first = 0; first < t.keys; first += kBlock) {
      const auto count = smaller(kBlock, t.keys - first);
      pack_turned<Math>(head_of<T>(t.k, batch, group) + first * t.k.row, t.k.row, count, t.width,
                        keys_ + first * padded(units_of<Math>(t.width)));
      pack_down<Math>(head_of<T>(t.v, batch, group) + first * t.v.row, t.v.row, count, count, t.width,
                      values_ + first / Math::kDepth * padded(t.width));
    }
  }

  template <class T>
  void block(int64_t batch, int64_t head, Range queries) {
    const auto count = queries.last - queries.first, rows = up_to_multiple(count, kRows);
    const auto wide = padded(t.width);
    pack_rows<Math>(head_of<T>(t.q, batch, head) + queries.first * t.q.row, t.q.row, count, rows, t.width, queries_);
    for (int64_t i = 0; i < rows * wide; i += kLanes) store(out_ + i, Floats{});
    for (int64_t i = 0; i < rows * kLanes; i += kLanes) store(sums_ + i, Floats{});
    for (int64_t i = 0; i < rows / kRows * kTall; i += kLanes) store(largest_ + i, spread(kLowest));

    const auto seen = keys_seen(t, queries);
    for (auto key = seen.first / kBlock * kBlock; key < seen.last; key += kBlock)
      for (int64_t row = 0; row < rows; row += kRows) {
        const Range rows_of_tile{queries.first + row, queries.first + row + kRows};
        const auto visible = keys_seen(t, rows_of_tile);
        const Tile tile{rows_of_tile, {key, smaller(key + kBlock, visible.last)}, batch, head};
        if (visible.first < tile.keys.last && !tile.keys.empty()) add_tile(tile, row);
      }

    auto* to = head_of<T>(t.out, batch, head);
    auto* normalizers = t.normalizers + (batch * t.heads + head) * t.queries;
    for (int64_t row = 0; row < count; ++row) {
      const auto total = sum(load(sums_ + row * kLanes));
      const auto most = largest_[row / kRows * kTall + row % kRows];
      normalizers[queries.first + row] = total > 0 ? most + __builtin_log2f(total) : total == 0 ? kInfinity : total;
      const auto factor = total == 0 ? 0 : 1 / total;
      for (int64_t d = 0; d < t.width; d += kLanes)
        store(to + (queries.first + row) * t.out.row + d, load(out_ + row * wide + d) * factor, t.width - d);
    }
  }

  // One step of the softmax: weights of these keys, and what came before scaled down.
  void add_tile(const Tile& tile, int64_t row) {
    foresight_.look();
    const auto count = tile.keys.last - tile.keys.first;
    const auto vectors = vectors_of(count), units = padded(units_of<Math>(t.width)), wide = padded(t.width);
    const KeptScores kept(t, tile);
    product<Math, false>(scores_, kBlock, queries_ + row * units, units, 1, keys_ + tile.keys.first * units, kBlock,
                         units_of<Math>(t.width), vectors);
    const auto factor = finish_scores(t, tile, vectors, scores_);

    // Row r's numbers in lane r.
    auto* const largest = largest_ + row / kRows * kTall;
    const auto before = load(largest);
    auto tops = spread(kLowest);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      auto most = load(scores_ + r * kBlock);
      for (int64_t n = 1; n < vectors; ++n) most = max(most, load(scores_ + r * kBlock + n * kLanes));
      tops[r] = hadal::HADAL_SIMD::largest(most) * factor;
    }
    tops = max(tops, before);
    store(largest, tops);
    const bool any = hadal::HADAL_SIMD::largest(tops - before) != 0;
    alignas(64) float shrink[kTall];
    store(shrink, exp2<false>(before - tops));

    const bool keeps = t.scores, drops = t.drop_below;
    if (drops) fill_kept(t, tile, vectors, keep_);
    for (int r = 0; r < kRows; ++r) {
      auto total = load(sums_ + (row + r) * kLanes) * shrink[r];
      for (int64_t n = 0; n < vectors; ++n) {
        auto* at = scores_ + r * kBlock + n * kLanes;
        const auto score = load(at) * factor;
        if (keeps) {
          store(kept.first + r * kept.row + n * kLanes, score);
          __builtin_prefetch(kept.first + (r + kRows) * kept.row + n * kLanes, 1);
        }
        auto weight = exp2<Math::kRough>(score - largest[r]);
        total += weight;
        if (drops) weight *= load(keep_ + r * kBlock + n * kLanes);
        store(at, weight);
      }
      store(sums_ + (row + r) * kLanes, total);
      if (any)
        for (int64_t d = 0; d < wide; d += kLanes) {
          auto* at = out_ + (row + r) * wide + d;
          store(at, load(at) * shrink[r]);
        }
    }
    const auto* weights = scores_;
    if constexpr (Math::kDepth == 2) weights = narrowed_rows(vectors);
    product<Math, true>(out_ + row * wide, wide, weights, kBlock, 1, values_ + tile.keys.first / Math::kDepth * wide,
                        wide, units_of<Math>(count), wide / kLanes);
  }

  const float* narrowed_rows(int64_t vectors) {
    if constexpr (Math::kDepth == 2)
      for (int r = 0; r < kRows; ++r)
        for (int64_t n = 0; n < vectors; n += 2) {
          const auto* from = scores_ + r * kBlock + n * kLanes;
          store(weights_ + r * kBlock + n / 2 * kLanes,
                Math::narrowed(load(from), n + 1 < vectors ? load(from + kLanes) : Floats{}));
        }
    return weights_;
  }

  const AttentionTask& t;
  Pieces pieces;
  Foresight foresight_;
  float *keys_, *values_, *queries_, *out_, *sums_, *largest_, *scores_, *keep_, *weights_;
};

}  // namespace hadal::HADAL_SIMD
