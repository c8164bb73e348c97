// The matrix product that linear and attention share: fp32 on the library that is fast on this CPU. No autograd.
#pragma once
#include <string>

#include "hadal/core/torch.h"

namespace hadal {

/// a (m, k), b (n, k), bias (n) or undefined -> (m, n): a b^T + bias. Call it below autograd, with autocast off. The
/// library is chosen by CPU and shape alone, so equal calls give equal bits. b is best contiguous or the transpose of
/// something contiguous.
Tensor product_nt(const Tensor& a, const Tensor& b, const Tensor& bias = {});

/// product_nt may take oneDNN's path for these operands.
bool has_fast_product(const Tensor& a, const Tensor& b);

/// Which library multiplies fp32 matrices here, and why.
std::string product_path();

}  // namespace hadal
