// Features of regions: RoIAlign (He et al. 2017, arXiv:1703.06870) and RoIPool (Girshick 2015, arXiv:1504.08083), equal
// to torchvision's. On the CPU, all threads, the same result for any number of them; tensors of other devices are
// brought there and the answer back. Half precision is computed with as float. First order gradients for `features`.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

struct RoiAlign {
  int64_t height = 7, width = 7;  // of what comes out
  double scale = 1;               // from a box's coordinates to the features': 1 / stride
  int64_t samples = 0;            // along a side of a bin; 0 or less: as many as the bin has pixels
  bool aligned = false;           // true: a pixel's value stands in its middle (the later, right way)
};

/// features (B, C, H, W), regions (R, 5): picture, x1, y1, x2, y2 -> (R, C, height, width): the mean of bilinear
/// samples in each bin. Throws Error for other shapes and where a picture is not in the batch.
Tensor roi_align(const Tensor& features, const Tensor& regions, const RoiAlign& how);

/// The same shapes: the largest value in each bin, whose edges are rounded to pixels; 0 where a bin is empty.
Tensor roi_pool(const Tensor& features, const Tensor& regions, int64_t height, int64_t width, double scale);

}  // namespace hadal
