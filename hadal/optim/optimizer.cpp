#include "hadal/optim/optimizer.h"

#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>

#include "hadal/core/error.h"

namespace hadal {

std::vector<ParamGroup> param_groups(const nn::Module& module, bool plain_decay) {
  ParamGroup decayed, plain{.decay_scale = 0};
  for (const auto& item : module.named_parameters()) {
    if (!item.value().requires_grad()) continue;
    auto& group = plain_decay || item.value().dim() >= 2 ? decayed : plain;
    group.params.emplace_back(item.key(), item.value());
  }
  std::vector<ParamGroup> groups;
  for (auto* group : {&decayed, &plain})
    if (!group->params.empty()) groups.push_back(std::move(*group));
  return groups;
}

Optimizer::Optimizer(std::vector<ParamGroup> groups, std::vector<std::string> slots, double lr)
    : slots_(std::move(slots)), lr_(lr) {
  torch::NoGradGuard no_grad;
  for (auto& group : groups) {
    Group made{std::move(group), {}};
    for (size_t slot = 0; slot < slots_.size(); ++slot) {
      auto& tensors = made.state.emplace_back();
      for (const auto& [name, param] : made.given.params)
        tensors.push_back(at::zeros_like(param, at::MemoryFormat::Preserve));
    }
    groups_.push_back(std::move(made));
  }
}

void Optimizer::step(const Rates& rates) {
  torch::NoGradGuard no_grad;
  ++steps_;
  for (auto& group : groups_) {
    Active active{{},
                  {},
                  std::vector<std::vector<Tensor>>(slots_.size()),
                  lr_ * group.given.lr_scale * rates.lr_factor,
                  group.given.decay_scale,
                  rates.momentum};
    for (size_t i = 0; i < group.given.params.size(); ++i) {
      const auto& param = group.given.params[i].second;
      if (!param.grad().defined()) continue;
      active.params.push_back(param);
      active.grads.push_back(param.grad());
      for (size_t slot = 0; slot < slots_.size(); ++slot) active.state[slot].push_back(group.state[slot][i]);
    }
    if (!active.params.empty()) update(active);
  }
}

void Optimizer::zero_grad() {
  for (auto& group : groups_)
    for (auto& [name, param] : group.given.params) param.mutable_grad().reset();
}

std::vector<Tensor> Optimizer::parameters() const {
  std::vector<Tensor> out;
  for (const auto& group : groups_)
    for (const auto& [name, param] : group.given.params) out.push_back(param);
  return out;
}

TensorsByName Optimizer::state() const {
  TensorsByName out = {{"steps", torch::tensor(steps_)}};
  for (const auto& group : groups_)
    for (size_t slot = 0; slot < slots_.size(); ++slot)
      for (size_t i = 0; i < group.given.params.size(); ++i)
        out.emplace_back(slots_[slot] + "." + group.given.params[i].first, group.state[slot][i]);
  return out;
}

void Optimizer::load_state(const TensorsByName& state) {
  torch::NoGradGuard no_grad;
  const auto find = [&](const std::string& name) -> const Tensor& {
    for (const auto& [key, tensor] : state)
      if (key == name) return tensor;
    fail("[optimizer] the saved state has no {}: it was written by another optimizer or for another model", name);
  };
  steps_ = find("steps").item<int64_t>();
  for (auto& group : groups_)
    for (size_t slot = 0; slot < slots_.size(); ++slot)
      for (size_t i = 0; i < group.given.params.size(); ++i) {
        const auto name = slots_[slot] + "." + group.given.params[i].first;
        const auto& saved = find(name);
        auto& here = group.state[slot][i];
        if (saved.sizes() != here.sizes())
          fail("[optimizer] {} is {} in the saved state and {} here", name, fmt::join(saved.sizes(), "x"),
               fmt::join(here.sizes(), "x"));
        here.copy_(saved);
      }
}

namespace {

std::vector<Tensor> gradients(const std::vector<Tensor>& parameters) {
  std::vector<Tensor> grads;
  for (const auto& parameter : parameters)
    if (parameter.grad().defined()) grads.push_back(parameter.grad());
  return grads;
}

}  // namespace

Tensor grad_norm(const std::vector<Tensor>& parameters) {
  torch::NoGradGuard no_grad;
  const auto grads = gradients(parameters);
  return grads.empty() ? torch::zeros({}) : at::stack(at::_foreach_norm(grads, 2)).norm();
}

Tensor clip_grad_norm(const std::vector<Tensor>& parameters, double most) {
  torch::NoGradGuard no_grad;
  const auto grads = gradients(parameters);
  const auto norm = grad_norm(parameters);
  const auto scale = (most / (norm + 1e-6)).clamp_max(1.0);
  if (!grads.empty() && scale.item<double>() < 1) at::_foreach_mul_(grads, scale);
  return norm;
}

}  // namespace hadal
