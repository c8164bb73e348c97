// What a transformer over many narrow tokens spends its time with: an MLP whose wide hidden layer never leaves the
// cache, and dropout without masks in memory. Where the CPU or the shape has no kernel, LibTorch's operators do the
// same.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// x (..., D), w1 (M, D), b1 (M), w2 (D, M), b2 (D) -> residual + dropout(w2 dropout(gelu(w1 x + b1), inner) + b2,
/// outer), with gradients (first order). residual (..., D) may be undefined; inner and outer are the shares dropped, 0
/// in eval mode. Masks follow from torch's global generator.
Tensor gelu_mlp(const Tensor& x, const Tensor& w1, const Tensor& b1, const Tensor& w2, const Tensor& b2,
                const Tensor& residual = {}, double inner = 0, double outer = 0);

/// residual + dropout(x, share) of the same shape; residual may be undefined. LibTorch draws its masks one number after
/// the other on one thread; here all threads make them, in fp32 and bf16, twice the same instead of kept.
Tensor add_dropout(const Tensor& x, const Tensor& residual, double share);

/// dropout(x, share) in training, x elsewhere.
inline Tensor dropped(const Tensor& x, double share, bool training) { return add_dropout(x, {}, training ? share : 0); }

}  // namespace hadal
