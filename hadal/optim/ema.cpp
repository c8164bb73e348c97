#include "hadal/optim/ema.h"

#include <algorithm>

#include <ATen/ops/_foreach_lerp.h>

#include "hadal/core/error.h"

namespace hadal {

Ema::Ema(nn::Module& module, double decay) : decay_(decay) {
  torch::NoGradGuard no_grad;
  for (const auto& item : module.named_parameters()) {
    names_.push_back(item.key());
    weights_.push_back(item.value());
    averages_.push_back(item.value().detach().clone());
  }
}

void Ema::update(int64_t step) {
  torch::NoGradGuard no_grad;
  const auto n = static_cast<double>(step);
  const auto decay = std::min(decay_, (1 + n) / (10 + n));
  at::_foreach_lerp_(averages_, weights_, 1 - decay);
}

void Ema::swap() {
  for (size_t i = 0; i < weights_.size(); ++i) {
    auto weight = weights_[i].detach();
    auto held = weight.clone();
    weight.copy_(averages_[i]);
    averages_[i].copy_(held);
  }
}

TensorsByName Ema::state() const {
  TensorsByName out;
  for (size_t i = 0; i < names_.size(); ++i) out.emplace_back(names_[i], averages_[i]);
  return out;
}

void Ema::load_state(const TensorsByName& state) {
  if (state.size() != averages_.size())
    fail("[ema] the saved average has {} tensors, the model {}", state.size(), averages_.size());
  for (size_t i = 0; i < averages_.size(); ++i) averages_[i].copy_(state[i].second);
}

}  // namespace hadal
