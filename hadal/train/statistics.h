// The running statistics of BatchNorm and its like: kept safe from bad batches, taken anew for averaged weights.
#pragma once
#include <optional>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

/// Copies of a module's buffers, so that a step that is skipped leaves no trace in them.
class KeptBuffers {
 public:
  explicit KeptBuffers(const nn::Module& module);
  /// Before a step. LibTorch's BatchNorm moves its statistics without counting up their version, so all are copied.
  void keep();
  /// As they were when keep() was called.
  void restore();

 private:
  struct Kept {
    Tensor buffer, copy;
  };
  std::vector<Kept> kept_;
};

/// While it lives, every BatchNorm's running statistics are the plain mean over all batches that it sees, from the
/// first of them on.
class FreshStatistics {
 public:
  explicit FreshStatistics(nn::Module& module);
  ~FreshStatistics();
  FreshStatistics(const FreshStatistics&) = delete;
  FreshStatistics& operator=(const FreshStatistics&) = delete;
  /// Whether there is any.
  bool any() const { return !norms_.empty(); }

 private:
  struct Norm {
    std::optional<double>* momentum;
    std::optional<double> before;
  };
  std::vector<Norm> norms_;
};

}  // namespace hadal
