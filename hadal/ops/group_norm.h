// Group norm (Wu & He 2018, arXiv:1803.08494) and SiLU in one pass over feature maps, as U-Nets for diffusion have them
// before every convolution. LibTorch reads and writes a map five times for what needs three.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// silu(gain norm(x + added) + bias), the norm being over `groups` groups of neighbouring channels and all pixels of a
/// picture. x (N, C, H, W); gain and bias (C), or (N, C) for each picture its own; added (N, C) or undefined. With
/// gradients (first order). bf16 maps give bf16, gain and bias may be fp32 all the same. Fast on the CPU where x has
/// its channels innermost; that layout is kept. Throws Error on shapes that do not fit.
Tensor group_norm_silu(const Tensor& x, int64_t groups, const Tensor& gain, const Tensor& bias, double eps,
                       const Tensor& added = {});

}  // namespace hadal
