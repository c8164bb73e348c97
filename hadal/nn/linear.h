// A linear layer on Hadal's own product; PyTorch's names and initialisation.
#pragma once
#include "hadal/nn/init.h"
#include "hadal/ops/linear.h"

namespace hadal {

struct LinearImpl : nn::Module {
  LinearImpl(int64_t in, int64_t out, bool with_bias = true) {
    weight = register_parameter("weight", torch::empty({out, in}));
    bias = register_parameter("bias", with_bias ? torch::empty({out}) : Tensor(), with_bias);
    init::linear(weight, bias);
  }
  /// x (..., in) -> (..., out)
  Tensor forward(const Tensor& x) { return linear(x, weight, bias); }

  Tensor weight, bias;  // (out, in); (out), undefined without bias
};
TORCH_MODULE(Linear);

}  // namespace hadal
