// RandAugment (Cubuk et al. 2020, arXiv:1909.13719) with torchvision's operations and strengths.
#pragma once
#include <string>
#include <vector>

#include "hadal/core/random.h"
#include "hadal/data/vision/transforms.h"

namespace hadal {

/// One operation, its name as in torchvision ("ShearX", "Posterize", ...), with its magnitude for a picture.
struct RandAugmentOp {
  std::string name;
  double magnitude = 0;
};
const std::vector<std::string>& randaugment_names();

/// The magnitude that strength `bin`, 0 to 30, means for a picture of this size; without sign.
double randaugment_magnitude(const std::string& name, int64_t bin, ImageSize);
/// Throws UsageError on an unknown name.
Tensor apply_randaugment(const Tensor& image, const RandAugmentOp&);

/// `count` operations in a row, each drawn evenly, with a random sign where it has one.
std::vector<RandAugmentOp> choose_randaugment(int64_t count, int64_t bin, ImageSize, Random&);
Tensor randaugment(Tensor image, int64_t count, int64_t bin, Random&);

}  // namespace hadal
