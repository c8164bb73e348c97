#include "hadal/optim/average.h"

#include <algorithm>

#include <ATen/ops/_foreach_lerp.h>
#include <fmt/ranges.h>

#include "hadal/core/error.h"

namespace hadal {

Average::Average(const nn::Module& module, Of of) {
  const auto add = [&](const std::string& name, const Tensor& weight) {
    names_.push_back(name);
    weights_.push_back(weight);
    const auto type = weight.scalar_type();
    const bool half = type == torch::kBFloat16 || type == torch::kHalf;
    averages_.push_back(weight.detach().to(half ? torch::kFloat32 : type, /*non_blocking=*/false, /*copy=*/true));
  };
  // What is frozen for good stays as it is.
  for (const auto& item : module.named_parameters())
    if (of.parameters && item.value().requires_grad()) add(item.key(), item.value());
  if (!of.statistics) return;
  for (const auto& item : module.named_buffers())
    if (item.value().defined() && item.value().is_floating_point()) add(item.key(), item.value());
}

void Average::move(double share) {
  const torch::NoGradGuard no_grad;
  if (weights_.empty()) return;
  std::vector<Tensor> wide;
  for (size_t i = 0; i < weights_.size(); ++i) wide.push_back(weights_[i].detach().to(averages_[i].scalar_type()));
  at::_foreach_lerp_(averages_, wide, share);
}

void Average::settle() {
  for (size_t i = 0; i < weights_.size(); ++i) weights_[i].detach().copy_(averages_[i]);
}

void Average::show() {
  for (const auto& weight : weights_) held_.push_back(weight.detach().clone());
  settle();
}

void Average::put_back() {
  for (size_t i = 0; i < weights_.size(); ++i) weights_[i].detach().copy_(held_[i]);
  held_.clear();
}

TensorsByName Average::state() const {
  TensorsByName out;
  for (size_t i = 0; i < names_.size(); ++i) out.emplace_back(names_[i], averages_[i]);
  return out;
}

void Average::load_state(const TensorsByName& state) {
  if (state.size() != averages_.size())
    fail("[average] the saved one has {} tensors, the model {}", state.size(), averages_.size());
  for (size_t i = 0; i < averages_.size(); ++i) {
    if (state[i].first != names_[i])
      fail("[average] the saved one has {} where the model has {}", state[i].first, names_[i]);
    if (state[i].second.sizes() != averages_[i].sizes())
      fail("[average] {} is {} in the saved one and {} here", names_[i], fmt::join(state[i].second.sizes(), "x"),
           fmt::join(averages_[i].sizes(), "x"));
  }
  for (size_t i = 0; i < averages_.size(); ++i) averages_[i].copy_(state[i].second);
}

void Ema::update(int64_t step) {
  const auto n = static_cast<double>(step);
  move(1 - (warmup_ > 1 ? std::min(decay_, (1 + n) / (warmup_ + n)) : decay_));
}

void Swa::update() { move(1 / static_cast<double>(++count_)); }

TensorsByName Swa::state() const {
  auto out = Average::state();
  out.emplace_back("count", torch::tensor(count_));
  return out;
}

void Swa::load_state(const TensorsByName& state) {
  auto averages = state;
  if (averages.empty() || averages.back().first != "count") fail("[swa] the saved average has no count");
  count_ = averages.back().second.item<int64_t>();
  averages.pop_back();
  Average::load_state(averages);
}

}  // namespace hadal
