#include "hadal/nn/init.h"

#include <cmath>

namespace hadal {
namespace {
thread_local bool without_init = false;
}

WithoutInit::WithoutInit() : before_(without_init) { without_init = true; }
WithoutInit::~WithoutInit() { without_init = before_; }
bool WithoutInit::active() { return without_init; }

namespace init {

void linear(Tensor weight, Tensor bias) {
  if (without_init) return;
  const torch::NoGradGuard no_grad;
  const double bound = 1 / std::sqrt(static_cast<double>(weight.size(1)));
  weight.uniform_(-bound, bound);
  if (bias.defined()) bias.uniform_(-bound, bound);
}

void xavier_uniform(Tensor weight) {
  if (!without_init) nn::init::xavier_uniform_(weight);
}

void kaiming_normal(Tensor weight, bool fan_out) {
  if (without_init) return;
  if (fan_out)
    nn::init::kaiming_normal_(weight, 0, torch::kFanOut, torch::kReLU);
  else
    nn::init::kaiming_normal_(weight, 0, torch::kFanIn, torch::kReLU);
}

void truncated_normal(Tensor weight, double std) {
  if (without_init) return;
  const torch::NoGradGuard no_grad;
  const double tail = std::erf(2 / std / std::sqrt(2.0));  // the share of N(0, std^2) within [-2, 2]
  weight.uniform_(-tail, tail).erfinv_().mul_(std * std::sqrt(2.0)).clamp_(-2, 2);
}

void normal(Tensor weight, double std) {
  const torch::NoGradGuard no_grad;
  if (!without_init) weight.normal_(0, std);
}

void constant(Tensor weight, double value) {
  const torch::NoGradGuard no_grad;
  if (!without_init) weight.fill_(value);
}

}  // namespace init
}  // namespace hadal
