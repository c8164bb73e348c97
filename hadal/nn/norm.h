// Normalisation over a token's features: LayerNorm (Ba et al. 2016, arXiv:1607.06450) and RMSNorm (Zhang and Sennrich
// 2019, arXiv:1910.07467).
#pragma once
#include <string>

#include "hadal/core/torch.h"

namespace hadal {

/// Parameters are nn.LayerNorm's and nn.RMSNorm's: weight (dim), and bias (dim) for "layer" with a bias.
struct NormImpl : nn::Module {
  /// `kind` is "layer" or "rms".
  NormImpl(int64_t dim, double eps, const std::string& kind = "layer", bool with_bias = true);
  /// x (..., dim) -> (..., dim); throws Error for another width.
  Tensor forward(const Tensor& x);

  Tensor weight, bias;

 private:
  void expect_width(const Tensor& x) const;

  double eps_;
  bool rms_;
};
TORCH_MODULE(Norm);

}  // namespace hadal
