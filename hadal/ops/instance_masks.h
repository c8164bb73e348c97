// Masks of objects: from a small square in each box to the picture, and from the picture to boxes.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// The whole pixels that a mask of `size` places, framed by one more on each side, is pasted to, when it spans `low` to
/// `high`; none where they are not finite. As torchvision rounds: up to a pixel more than the mask spans.
struct PixelSpan {
  int64_t begin = 0, extent = 0;
};
PixelSpan pasted_span(float low, float high, int64_t size);

/// masks (N, m, m), 0 to 1, each spanning its box (N, 4) -> (N, height, width) of the picture, 0 outside. Bilinear,
/// with a frame of one zero around each mask, as torchvision's paste_masks_in_image. Runs on the CPU; the answer is
/// float32 there. Throws Error where shapes do not fit.
Tensor paste_masks(const Tensor& masks, const Tensor& boxes, int64_t height, int64_t width);

/// masks (N, H, W), set where not 0 -> (N, 4) float32: the smallest boxes around whole pixels, [c, c + 1) each (so x2
/// and y2 are one more than torchvision's masks_to_boxes); zeros where a mask is empty.
Tensor masks_to_boxes(const Tensor& masks);

}  // namespace hadal
