// Anchors: boxes of fixed sizes and ratios around every place of a feature pyramid (Ren et al. 2015, arXiv:1506.01497).
#pragma once
#include <vector>

#include "hadal/core/config.h"
#include "hadal/core/torch.h"

namespace hadal {

struct AnchorConfig {
  /// Sides in pixels of the prepared picture. One list for every level, or the same count for each level in turn.
  std::vector<int64_t> sizes = {32, 64, 128, 256, 512};
  std::vector<double> ratios = {0.5, 1, 2};  // height / width
  bool sizes_everywhere = false;             // every level has all sizes, instead of its share of them

  static Fields<AnchorConfig> fields();
  void validate() const;
};

class Anchors {
 public:
  /// Throws UsageError when the sizes do not share out among `levels`.
  Anchors(const AnchorConfig& config, size_t levels);
  int64_t per_place() const { return per_place_; }
  /// For features (..., h_i, w_i) of a picture of `height` by `width`: a (h_i w_i per_place, 4) for each level, row by
  /// row, of the features' type and device. torchvision's AnchorGenerator: corners are whole pixels.
  std::vector<Tensor> on(const std::vector<Tensor>& features, int64_t height, int64_t width) const;

 private:
  std::vector<Tensor> cells_;  // a level: (per_place, 4) around 0
  int64_t per_place_ = 0;
};

}  // namespace hadal
