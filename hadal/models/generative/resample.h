// Pictures and feature maps at twice and half the size through the smoothing filter [1, 3, 3, 1] in both directions,
// as StyleGAN2 (arXiv:1912.04958) and R3GAN (arXiv:2501.05441) have it. Beyond the edge lies 0.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// (N, C, H, W) -> (N, C, 2 H, 2 W)
Tensor doubled(const Tensor& x);
/// (N, C, H, W) -> (N, C, H / 2, W / 2); both sides are even.
Tensor halved(const Tensor& x);
/// The filter alone, with `padding` zeros around: (N, C, H, W) -> (N, C, H + 2 padding - 3, W + 2 padding - 3), its
/// values multiplied by `gain`.
Tensor smoothed(const Tensor& x, int64_t padding, double gain = 1);

/// The spread of features among the pictures of a group as one more channel, so that a discriminator sees pictures that
/// are all alike (Karras et al. 2017, arXiv:1710.10196, section 3). Groups are the largest of at most `group` pictures
/// that divide the batch: picture i is of group i mod (N / size). (N, C, H, W) -> (N, C + 1, H, W).
Tensor with_minibatch_stddev(const Tensor& x, int64_t group = 4);

}  // namespace hadal
