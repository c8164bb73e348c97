// A picture and what is in it: what detection-like data sets hold and what geometric transforms move together.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// Members a data set does not have stay undefined.
struct Scene {
  Tensor image;       // (H, W, 3) uint8, RGB
  Tensor boxes;       // (N, 4) float32, x1 y1 x2 y2 in pixels
  Tensor labels;      // (N) int64
  Tensor masks;       // (N, H, W) uint8, 0 or 1
  Tensor keypoints;   // (N, K, 3) float32: x, y in pixels, visibility (0 absent, 1 hidden, 2 visible)
  Tensor crowd = {};  // (N) bool: a region of many that nobody counted; neither trained on nor scored
  Tensor area = {};   // (N) float32, pixels, as the labels say; what changes the picture leaves it out
};

}  // namespace hadal
