// Batches of texts of like length, so that little of a batch is padding.
#pragma once
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

/// Cuts samples, sorted by length, into batches of at most `tokens` once padded (a longer sample is a batch alone). In
/// each epoch samples of one length change places, and batches come in another order: by seed and epoch alone. How many
/// batches there are, and how large, is the same in every epoch.
class Buckets {
 public:
  Buckets(std::vector<int64_t> lengths, int64_t tokens, uint64_t seed);
  int64_t batches() const { return static_cast<int64_t>(ends_.size()); }
  /// The samples of a batch. May be called from several threads at once.
  std::vector<int64_t> batch(int64_t epoch, int64_t number) const;

 private:
  std::vector<int64_t> order_of(int64_t epoch) const;

  std::vector<int64_t> lengths_, ends_;
  uint64_t seed_;
  mutable std::mutex mutex_;
  mutable int64_t epoch_ = -1;
  mutable std::vector<int64_t> order_;
};

/// Lists of ids as one tensor (B, longest) int64, `padding` behind each end.
Tensor padded(std::span<const std::vector<int64_t>> rows, int64_t padding);

}  // namespace hadal
