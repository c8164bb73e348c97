// Gradients of attention in tiles: the weights are computed again from the saved normalizers (Dao et al. 2022,
// arXiv:2205.14135, appendix B.2), and the scores of longer sequences too.
#pragma once
#include "hadal/ops/attention_forward.h"

namespace hadal::HADAL_SIMD {

template <class Math>
class Backward {
 public:
  Backward(const AttentionTask& task, float* scratch) : t(task), pieces{scratch} {
    const auto rows = up_to_multiple(t.queries, kRows), units = padded(units_of<Math>(t.width)), wide = padded(t.width);
    queries_ = pieces.take(rows * units);
    douts_ = pieces.take(rows * units);
    queries_down_ = Math::kDepth == 1 ? queries_ : pieces.take(rows / Math::kDepth * wide);
    douts_down_ = Math::kDepth == 1 ? douts_ : pieces.take(rows / Math::kDepth * wide);
    dqueries_ = pieces.take(rows * wide);
    normalizers_ = pieces.take(rows);
    means_ = pieces.take(rows);
    keys_turned_ = pieces.take(kBlock * units);
    values_turned_ = pieces.take(kBlock * units);
    keys_down_ = pieces.take(kBlock / Math::kDepth * wide);
    const auto kept_blocks = t.heads == t.groups ? 1 : blocks_of(t);
    dkeys_ = pieces.take(kept_blocks * kBlockRows * wide);
    dvalues_ = pieces.take(kept_blocks * kBlockRows * wide);
    weights_ = pieces.take(kQueries * kBlock + kLanes);
    dscores_ = pieces.take(kQueries * kBlock + kLanes);
    tile_ = pieces.take(kRows * kBlock);
    dtile_ = pieces.take(kRows * kBlock);
    keep_ = pieces.take(kRows * kBlock);
    narrow_ = pieces.take(kRows * kBlock);
  }
  int64_t floats() const { return pieces.used; }

  template <class T>
  void run(int64_t item, int64_t next) {
    const auto [part, group, batch] = Item(t, item);
    const auto share = t.heads / t.groups;
    if (next >= 0) foresee<T>(Item(t, next));
    for (auto head = group * share; head < (group + 1) * share; ++head) {
      pack_queries<T>(batch, head);
      for (auto first = part * kBlock; first < t.keys; first += t.parts * kBlock) {
        const Range keys{first, smaller(first + kBlock, t.keys)};
        pack_keys<T>(batch, group, keys);
        const auto at = (share == 1 ? 0 : first / kBlock) * kBlockRows * padded(t.width);
        if (head == group * share) clear(at);
        block(batch, head, keys, at);
        if (head + 1 == (group + 1) * share) {
          give<T>(t.dk, batch, group, keys, dkeys_ + at, t.scale);
          give<T>(t.dv, batch, group, keys, dvalues_ + at, 1);
        }
      }
      if (t.dq_parts) {
        const HeadsView parts{t.dq_parts + part * t.batch * t.heads * t.queries * t.width,
                              t.heads * t.queries * t.width, t.queries * t.width, t.width};
        give<float>(parts, batch, head, {0, t.queries}, dqueries_, t.scale);
      } else {
        give<T>(t.dq, batch, head, {0, t.queries}, dqueries_, t.scale);
      }
    }
  }

 private:
  static constexpr int64_t kQueries = 96;  // at a time; a multiple of kRows
  static constexpr int64_t kBlockRows = up_to_multiple(kBlock, kRows);

  template <class T>
  void foresee(const Item& next) {
    const auto head = next.group * (t.heads / t.groups);
    for (const auto& view : {t.q, t.dout, t.out}) foresight_.add<T>(view, next.batch, head, t.queries, t.width);
    for (const auto& view : {t.k, t.v}) foresight_.add<T>(view, next.batch, next.group, t.keys, t.width);
    foresight_.spread_over(tiles_of(t));
  }

  void clear(int64_t at) {
    for (int64_t i = 0; i < kBlockRows * padded(t.width); i += kLanes)
      store(dkeys_ + at + i, Floats{}), store(dvalues_ + at + i, Floats{});
  }

  template <class T>
  void give(const HeadsView& view, int64_t batch, int64_t head, Range rows, const float* from, float factor) {
    auto* to = head_of<T>(view, batch, head);
    for (auto row = rows.first; row < rows.last; ++row, from += padded(t.width))
      for (int64_t d = 0; d < t.width; d += kLanes)
        store(to + row * view.row + d, load(from + d) * factor, t.width - d);
  }

  template <class T>
  void pack_queries(int64_t batch, int64_t head) {
    const auto rows = up_to_multiple(t.queries, kRows);
    const auto* q = head_of<T>(t.q, batch, head);
    const auto *dout = head_of<T>(t.dout, batch, head), *out = head_of<T>(t.out, batch, head);
    pack_rows<Math>(q, t.q.row, t.queries, rows, t.width, queries_);
    pack_rows<Math>(dout, t.dout.row, t.queries, rows, t.width, douts_);
    if constexpr (Math::kDepth == 2) {
      pack_down<Math>(q, t.q.row, t.queries, rows, t.width, queries_down_);
      pack_down<Math>(dout, t.dout.row, t.queries, rows, t.width, douts_down_);
    }
    for (int64_t i = 0; i < rows * padded(t.width); i += kLanes) store(dqueries_ + i, Floats{});
    const auto* normalizers = t.normalizers + (batch * t.heads + head) * t.queries;
    for (int64_t row = 0; row < rows; ++row) {
      expect_row(out, t.out.row, row, t.queries, t.width);
      Floats mean{};
      if (row < t.queries)
        for (int64_t d = 0; d < t.width; d += kLanes)
          mean += load(dout + row * t.dout.row + d, t.width - d) * load(out + row * t.out.row + d, t.width - d);
      means_[row] = sum(mean);
      normalizers_[row] = row < t.queries ? normalizers[row] : kInfinity;
    }
  }

  template <class T>
  void pack_keys(int64_t batch, int64_t group, Range keys) {
    const auto *k = head_of<T>(t.k, batch, group) + keys.first * t.k.row,
               *v = head_of<T>(t.v, batch, group) + keys.first * t.v.row;
    const auto count = keys.last - keys.first;
    if (!t.scores) pack_turned<Math>(k, t.k.row, count, t.width, keys_turned_);
    pack_turned<Math>(v, t.v.row, count, t.width, values_turned_);
    pack_down<Math>(k, t.k.row, count, count, t.width, keys_down_);
  }

  // All queries that see a block of keys.
  void block(int64_t batch, int64_t head, Range keys, int64_t at) {
    const auto seeing = queries_seeing(t, keys);
    const auto vectors = vectors_of(keys.last - keys.first), wide = padded(t.width);
    for (auto first = seeing.first / kRows * kRows; first < seeing.last; first += kQueries) {
      const auto last = smaller(first + kQueries, up_to_multiple(seeing.last, kRows));
      for (auto row = first; row < last; row += kRows)
        tile({{row, row + kRows}, keys, batch, head}, vectors, (row - first) / Math::kDepth * kBlock);
      const auto units = (last - first) / Math::kDepth, from = first / Math::kDepth * wide;
      for (int64_t key = 0; key < keys.last - keys.first; key += kRows) {
        product<Math, true>(dvalues_ + at + key * wide, wide, weights_ + key, 1, kBlock, douts_down_ + from, wide,
                            units, wide / kLanes);
        product<Math, true>(dkeys_ + at + key * wide, wide, dscores_ + key, 1, kBlock, queries_down_ + from, wide,
                            units, wide / kLanes);
      }
    }
  }

  // The weights and the gradients of the scores of one tile, for the products above, and the gradient of its queries.
  void tile(const Tile& tile, int64_t vectors, int64_t at) {
    foresight_.look();
    const auto row = tile.queries.first, units = padded(units_of<Math>(t.width)), wide = padded(t.width);
    const auto count = larger(0, smaller(tile.keys.last, keys_seen(t, tile.queries).last) - tile.keys.first);
    const auto seen = vectors_of(count);
    for (int64_t r = 0; r < kRows / Math::kDepth; ++r)
      for (auto n = seen; n < vectors; ++n) {
        store(weights_ + at + r * kBlock + n * kLanes, Floats{});
        store(dscores_ + at + r * kBlock + n * kLanes, Floats{});
      }
    auto *weights = Math::kDepth == 1 ? weights_ + at : tile_, *dscores = Math::kDepth == 1 ? dscores_ + at : dtile_;
    product<Math, false>(dscores, kBlock, douts_ + row * units, units, 1, values_turned_, kBlock,
                         units_of<Math>(t.width), seen);
    const auto scores = scores_of(tile, seen, weights);
    const bool drops = t.drop_below;
    if (drops) fill_kept(t, tile, seen, keep_);
    for (int r = 0; r < kRows; ++r)
      for (int64_t n = 0; n < seen; ++n) {
        const auto i = r * kBlock + n * kLanes;
        const auto* score = scores.first + r * scores.row + n * kLanes;
        __builtin_prefetch(score + kRows * scores.row);
        const auto weight = exp2<Math::kRough>(load(score) * scores.factor - normalizers_[row + r]);
        auto dweight = load(dscores + i);
        if (drops) dweight *= load(keep_ + i);
        store(dscores + i, weight * (dweight - means_[row + r]));
        store(weights + i, drops ? weight * load(keep_ + i) : weight);
      }
    if constexpr (Math::kDepth == 2) dscores = narrowed(seen, at);
    product<Math, true>(dqueries_ + row * wide, wide, dscores, kBlock, 1, keys_down_, wide, units_of<Math>(count),
                        wide / kLanes);
  }

  struct Scores {
    const float* first;
    int64_t row;
    float factor;
  };
  // What the forward pass kept, or computed again into `room`.
  Scores scores_of(const Tile& tile, int64_t vectors, float* room) {
    if (t.scores) {
      const KeptScores kept(t, tile);
      return {kept.first, kept.row, 1};
    }
    const auto units = padded(units_of<Math>(t.width));
    product<Math, false>(room, kBlock, queries_ + tile.queries.first * units, units, 1, keys_turned_, kBlock,
                         units_of<Math>(t.width), vectors);
    return {room, kBlock, finish_scores(t, tile, vectors, room)};
  }

  // Weights and gradients of the scores of a tile in pairs: along the queries where the products over them read them,
  // and the latter along the keys.
  float* narrowed(int64_t vectors, int64_t at) {
    for (int64_t n = 0; n < vectors; ++n)
      for (int r = 0; r < kRows; r += 2) {
        const auto from = r * kBlock + n * kLanes, to = at + r / 2 * kBlock + n * kLanes;
        store(weights_ + to, Math::paired(load(tile_ + from), load(tile_ + from + kBlock)));
        store(dscores_ + to, Math::paired(load(dtile_ + from), load(dtile_ + from + kBlock)));
      }
    for (int64_t n = 0; n < vectors; n += 2)
      for (int r = 0; r < kRows; ++r) {
        const auto* from = dtile_ + r * kBlock + n * kLanes;
        const auto high = n + 1 < vectors ? load(from + kLanes) : Floats{};
        store(narrow_ + r * kBlock + n / 2 * kLanes, Math::narrowed(load(from), high));
      }
    return narrow_;
  }

  const AttentionTask& t;
  Pieces pieces;
  Foresight foresight_;
  float *queries_, *douts_, *queries_down_, *douts_down_, *dqueries_, *normalizers_, *means_;
  float *keys_turned_, *values_turned_, *keys_down_, *dkeys_, *dvalues_;
  float *weights_, *dscores_, *tile_, *dtile_, *keep_, *narrow_;
};

}  // namespace hadal::HADAL_SIMD
