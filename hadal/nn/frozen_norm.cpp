#include "hadal/nn/frozen_norm.h"

namespace hadal {

void freeze_batch_norms(nn::Module& module) {
  for (const auto& child : module.modules(false)) {
    auto* norm = child->as<nn::BatchNorm2d>();
    if (!norm) continue;
    norm->eval();
    for (auto& parameter : norm->parameters(false)) parameter.set_requires_grad(false);
  }
}

void set_batch_norms(nn::Module& module, double eps, double momentum) {
  for (const auto& child : module.modules(false))
    if (auto* norm = child->as<nn::BatchNorm2d>()) norm->options.eps(eps).momentum(momentum);
}

}  // namespace hadal
