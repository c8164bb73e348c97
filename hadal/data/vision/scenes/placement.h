// A picture on its way into a detector, and what was found on its way back.
#pragma once
#include <vector>

#include "hadal/data/vision/transforms.h"
#include "hadal/models/detection/detection_model.h"

namespace hadal {

/// Where a picture lies in the network's input: x_input = x * scale_x + left.
struct Placement {
  double scale_x = 1, scale_y = 1, left = 0, top = 0;
  int64_t width = 0, height = 0;  // of the picture as it lies on disk
};

struct PreparedImage {
  Tensor image;  // (h, w, 3) uint8; bgr and numbers come with the batch
  Placement placement;
  ImageSize size;  // of what counts: all of it, but not what fills shorter_side up
};

/// The picture in its place. `size` 0: the preparation's. Sides are at least 1 pixel, and whole strides for letterbox
/// and shorter_side. `square`: letterbox fills up to size x size. A picture so long that the other side vanishes keeps
/// one pixel of it.
PreparedImage prepare(const Tensor& image, const Preparation& preparation, int64_t size = 0, bool square = false);
/// (h, w, C) uint8 of another size.
Tensor resampled(const Tensor& image, int64_t height, int64_t width, Preparation::Sampling sampling);

/// Pixels (B, 3, H, W) float32 of pictures (h, w, 3) uint8 that may differ in size: scaled, normalised, channels in the
/// network's order; what is beyond a picture gets the fill's value (0 for shorter_side, as torchvision's).
Tensor stacked(const std::vector<Tensor>& images, const Preparation& preparation);

/// Boxes (N, 4) and keypoints (N, K, 3) of the picture as they lie in the input, and back; back, boxes are cut at the
/// picture's edges.
Tensor placed_boxes(const Tensor& boxes, const Placement& placement);
Tensor placed_keypoints(const Tensor& keypoints, const Placement& placement);
Tensor placed_masks(const Tensor& masks, const PreparedImage& prepared);
/// What was found, in pixels of the picture as it lies on disk. Masks of the whole input become masks in their boxes.
Found brought_back(const Found& found, const Placement& placement, ImageSize input);

}  // namespace hadal
