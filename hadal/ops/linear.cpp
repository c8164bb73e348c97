#include "hadal/ops/linear.h"

namespace hadal {

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) { return at::linear(x, weight, bias); }

std::string linear_path() { return "LibTorch"; }

}  // namespace hadal
