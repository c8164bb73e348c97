// How fast this machine multiplies matrices at best: what a run's speed is held against.
#pragma once
#include <functional>

#include "hadal/core/torch.h"

namespace hadal {

/// FLOP/s of the product of two square matrices of `type` by LibTorch, or by `own` where that is faster. Takes about
/// half a second; draws no random numbers.
double product_speed(const torch::Device& device, torch::Dtype type,
                     const std::function<Tensor(const Tensor& x, const Tensor& weight)>& own = {});

}  // namespace hadal
