// Batches of mixed pictures: mixup (Zhang et al. 2018, arXiv:1710.09412) and cutmix (Yun et al. 2019,
// arXiv:1905.04899).
#pragma once
#include "hadal/core/random.h"
#include "hadal/data/vision/augment.h"

namespace hadal {

/// With config.mix_probability, mixes each picture of `pixels` (B, C, H, W) with another one of the batch by mixup or
/// cutmix (either as likely where both are on) and sets `targets` (B, classes) to the labels' shares, float. Otherwise
/// pixels stay as they are and targets undefined. labels (B) int64. Throws UsageError on shapes that do not match.
void mix_batch(const AugmentConfig& config, Tensor& pixels, const Tensor& labels, Tensor& targets, int64_t classes,
               Random&);

/// share x pixels + (1 - share) x pixels[order].
Tensor mixup(const Tensor& pixels, const Tensor& order, double share);
/// A rectangle that leaves about `share` of a (height, width) picture, cut off at the picture's edges.
PixelBox choose_cutmix(ImageSize, double share, Random&);
/// The pixels of `box` from pixels[order], the others from pixels.
Tensor cutmix(const Tensor& pixels, const Tensor& order, const PixelBox& box);

}  // namespace hadal
