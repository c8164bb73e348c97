// Brings the next item's rows into the cache while this one is computed.
#pragma once
#include "hadal/ops/attention_scores.h"

namespace hadal::HADAL_SIMD {

class Foresight {
 public:
  /// All rows of a head; at most kMost times.
  template <class T>
  void add(const HeadsView& view, int64_t batch, int64_t head, int64_t rows, int64_t width) {
    const auto bytes = static_cast<int64_t>(sizeof(T));
    heads_[count_++] = {reinterpret_cast<const char*>(head_of<T>(view, batch, head)), view.row * bytes, rows,
                        width * bytes};
    rows_ += rows, bytes_ += rows * width * bytes;
  }
  /// To be spread over so many calls of look(). More than would stay in the second cache beside the present work is
  /// left alone: longer heads have time enough to wait for their rows.
  void spread_over(int64_t calls) {
    constexpr int64_t kCache = 384 << 10;
    each_ = bytes_ > kCache ? 0 : (rows_ + calls - 1) / calls;
  }
  void look() {
    for (auto i = each_; i > 0 && at_ < count_; --i) {
      const auto& head = heads_[at_];
      for (int64_t byte = 0; byte < head.bytes; byte += 64)
        __builtin_prefetch(head.first + row_ * head.step + byte, 0, 2);
      if (++row_ == head.rows) row_ = 0, ++at_;
    }
  }

 private:
  static constexpr int kMost = 5;
  struct Head {
    const char* first;
    int64_t step, rows, bytes;
  };
  Head heads_[kMost];
  int64_t count_ = 0, rows_ = 0, bytes_ = 0, each_ = 0, at_ = 0, row_ = 0;
};

/// Item i of a kernel in tiles: part of the queries or keys, head of k and v, batch.
struct Item {
  int64_t part, group, batch;

  Item(const AttentionTask& t, int64_t i)
      : part(i % t.parts), group(i / t.parts % t.groups), batch(i / t.parts / t.groups) {}
};

}  // namespace hadal::HADAL_SIMD
