// First values of weights, as PyTorch's Python modules set them, from torch's global generator.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// While one lives, Hadal's layers made on this thread leave their weights unset: for models that load all of theirs.
class WithoutInit {
 public:
  WithoutInit();
  ~WithoutInit();
  WithoutInit(const WithoutInit&) = delete;
  WithoutInit& operator=(const WithoutInit&) = delete;
  static bool active();

 private:
  bool before_;
};

namespace init {

/// U(-b, b) with b = 1 / sqrt(fan_in): nn.Linear's own for weight (out, in) and bias.
void linear(Tensor weight, Tensor bias = {});
/// U(-b, b) with b = sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010).
void xavier_uniform(Tensor weight);
/// N(0, 2 / fan) for ReLU, fan being that of the output or the input (He et al. 2015, arXiv:1502.01852).
void kaiming_normal(Tensor weight, bool fan_out);
/// N(0, std^2), cut off at -2 and 2 (not at 2 std), as nn.init.trunc_normal_ does.
void truncated_normal(Tensor weight, double std);
void normal(Tensor weight, double std);
void constant(Tensor weight, double value);

}  // namespace init
}  // namespace hadal
