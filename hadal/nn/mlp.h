// The feed-forward half of a transformer block.
#pragma once
#include <string>
#include <vector>

#include "hadal/nn/linear.h"

namespace hadal {

/// What stands between the two products. Gated ones (Shazeer 2020, arXiv:2002.05202) make the first product twice as
/// wide: gate, then up; out comes activation(gate) * up.
const std::vector<std::string>& activations();  // gelu, gelu_tanh, relu, silu, swiglu, geglu
bool is_gated(const std::string& activation);

/// Linear, activation, dropout, linear, dropout. The products are called 0 and 3, as in torchvision's MLP; a gated
/// one's `0.weight` is (2 hidden, dim), gate above up. Initialisation is torchvision's.
struct MlpLayersImpl : nn::Module {
  MlpLayersImpl(int64_t dim, int64_t hidden, const std::string& activation = "gelu", bool bias = true,
                double inner_dropout = 0, double dropout = 0);
  /// x (..., dim) -> (..., dim), with `residual` of that shape added where it is given.
  Tensor forward(const Tensor& x, const Tensor& residual = {});

  Linear widen{nullptr}, narrow{nullptr};

 private:
  Tensor activate(const Tensor& x) const;

  std::string activation_;
  double inner_dropout_, dropout_;
};
TORCH_MODULE(MlpLayers);

}  // namespace hadal
