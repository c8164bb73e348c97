// What two-stage detectors and RetinaNet train on: which object a box stands for, which boxes count, and how far a box
// is from its object (Girshick et al. 2014, arXiv:1311.2524, appendix C).
#pragma once
#include <array>
#include <utility>

#include "hadal/models/detection/detection_model.h"

namespace hadal {

/// What a box stands for when it is no object.
inline constexpr int64_t kBackground = -1, kBetween = -2;

struct Matcher {
  double high = 0.5, low = 0.5;  // an overlap from `high` on is the object, one below `low` background, between neither
  bool all_objects = false;      // the boxes nearest to an object are its, however little they overlap
  /// overlaps (objects, boxes) -> (boxes) int64: the object's place, kBackground or kBetween. Without objects all are
  /// background.
  Tensor operator()(const Tensor& overlaps) const;
};

/// Draws the boxes that a loss looks at, from torch's generator, in torchvision's order: the same seed, the same boxes.
struct Sampler {
  int64_t count = 256;  // a picture
  double share = 0.5;   // at most, of boxes with an object
  /// labels (boxes): above 0 an object, 0 background, below nothing -> places of the drawn ones with an object and of
  /// the others, both rising.
  std::pair<Tensor, Tensor> operator()(const Tensor& labels) const;
};

/// Boxes as differences from others: centres in widths and heights, sides as logarithms, each times its weight.
struct BoxCoder {
  std::array<double, 4> weights = {1, 1, 1, 1};
  /// (N, 4) of what is looked for and of what it is counted from -> (N, 4)
  Tensor encode(const Tensor& wanted, const Tensor& from) const;
  /// deltas (N, 4 k), from (N, 4) -> (N, k, 4); sides grow at most 62.5 times.
  Tensor decode(const Tensor& deltas, const Tensor& from) const;
};

/// The truth of one picture.
struct PictureTargets {
  Tensor boxes, labels, masks, keypoints;
};

/// Targets picture by picture, on the device of `like` and boxes in its type. Throws Error, beginning with `where`,
/// when shapes do not fit, a label is not in [0, classes), or a box has no area.
std::vector<PictureTargets> by_picture(const char* where, const Targets& targets, int64_t pictures, int64_t classes,
                                       const Tensor& like);

/// sizes (B, 2) int64, checked against pixels (B, 3, H, W) -> height and width of each picture.
std::vector<std::pair<int64_t, int64_t>> picture_sizes(const char* where, const Tensor& pixels, const Tensor& sizes);

/// pixels with 0 outside each picture, which is the mean colour once they are normalised: what torchvision fills with.
Tensor without_fill(const Tensor& pixels, const std::vector<std::pair<int64_t, int64_t>>& sizes);

/// A head's output (B, places' anchors k, H, W) -> (B, H W anchors, k).
Tensor by_anchor(const Tensor& output, int64_t k);

}  // namespace hadal
