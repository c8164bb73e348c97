// Products with a weight matrix, on the fastest path of the CPU at hand.
#pragma once
#include <string>

#include "hadal/core/torch.h"

namespace hadal {

/// x (..., in), weight (out, in), bias (out) or undefined -> (..., out): x weight^T + bias, with gradients.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

/// Which library multiplies fp32 matrices here and why, for `hadal doctor`.
std::string linear_path();

}  // namespace hadal
