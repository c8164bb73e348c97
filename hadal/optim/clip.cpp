#include "hadal/optim/clip.h"

#include <cmath>
#include <numeric>

#include <ATen/ops/_foreach_mul.h>

#include "hadal/core/error.h"
#include "hadal/ops/norms.h"

namespace hadal {
namespace {

/// The values of a gradient: those that are kept, when it is sparse. Rows that were added twice count once.
Tensor values_of(const Tensor& parameter) {
  auto& grad = parameter.mutable_grad();
  if (!grad.is_sparse()) return grad;
  grad = grad.coalesce();
  return grad._values();
}

std::vector<Tensor> gradients(const std::vector<Tensor>& parameters) {
  std::vector<Tensor> grads;
  for (const auto& parameter : parameters)
    if (parameter.grad().defined()) grads.push_back(values_of(parameter));
  return grads;
}

double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

/// The sum of squares of each group's gradients.
std::vector<double> group_squares(const Optimizer& optimizer) {
  std::vector<Tensor> grads;
  std::vector<size_t> group_of;
  const auto groups = optimizer.groups();
  for (size_t group = 0; group < groups.size(); ++group)
    for (const auto& [name, param] : *groups[group])
      if (param.grad().defined()) grads.push_back(values_of(param)), group_of.push_back(group);
  std::vector<double> out(groups.size());
  const auto squares = sums_of_squares(grads);
  for (size_t i = 0; i < squares.size(); ++i) out[group_of[i]] += squares[i];
  return out;
}

// As PyTorch's clip_grad_norm_, which keeps away from a division by zero.
double shrink(double norm, double most) { return std::min(1.0, most / (norm + 1e-6)); }

}  // namespace

double grad_norm(const std::vector<Tensor>& parameters) {
  return std::sqrt(sum(sums_of_squares(gradients(parameters))));
}

double grad_norm(const Optimizer& optimizer, const Evaluation& evaluation) {
  const auto scale_of = [&](size_t group) {
    return evaluation.use.scale * (evaluation.group_scale.empty() ? 1.0 : evaluation.group_scale.at(group));
  };
  double total = 0;
  if (const auto bound = evaluation.use.bound; std::isfinite(bound)) {
    const auto groups = optimizer.groups();
    for (size_t group = 0; group < groups.size(); ++group)
      for (const auto& [name, param] : *groups[group])
        if (param.grad().defined())
          total += sum(sums_of_squares({(values_of(param) * scale_of(group)).clamp_(-bound, bound)}));
    return std::sqrt(total);
  }
  const auto squares = group_squares(optimizer);
  for (size_t group = 0; group < squares.size(); ++group) total += squares[group] * std::pow(scale_of(group), 2);
  return std::sqrt(total);
}

double clip_grad_norm(const std::vector<Tensor>& parameters, double most) {
  const torch::NoGradGuard no_grad;
  const auto norm = grad_norm(parameters), scale = shrink(norm, most);
  if (const auto grads = gradients(parameters); !grads.empty() && scale < 1) at::_foreach_mul_(grads, scale);
  return norm;
}

Clipped clip_gradients(const Optimizer& optimizer, const ClipRule& rule, double scale) {
  const torch::NoGradGuard no_grad;
  Clipped out;
  auto& [norm, evaluation] = out;
  evaluation.use.scale = scale;
  if (rule.limit > 0 && rule.by == "adaptive") {
    std::vector<Tensor> params, grads;
    for (const auto& param : optimizer.parameters())
      if (param.grad().defined()) params.push_back(param), grads.push_back(param.grad());
    for (const auto& grad : grads)
      require(!grad.is_sparse(), "[clip] adaptive clipping takes no sparse gradients; use norm or value");
    norm = std::sqrt(clip_adaptively(params, grads, rule.limit, 1e-3, scale));
    return out;
  }
  const auto squares = group_squares(optimizer);
  norm = std::abs(scale) * std::sqrt(sum(squares));
  if (rule.limit <= 0) return out;
  if (rule.by == "norm") {
    evaluation.use.scale *= shrink(norm, rule.limit);
  } else if (rule.by == "value") {
    evaluation.use.bound = rule.limit;
  } else if (rule.by == "group") {
    for (const auto square : squares)
      evaluation.group_scale.push_back(shrink(std::abs(scale) * std::sqrt(square), rule.limit));
  } else {
    fail_usage("[clip] unknown way \"{}\"{}", rule.by, suggest(rule.by, ClipRule::kinds()));
  }
  return out;
}

std::string first_not_finite(const Optimizer& optimizer) {
  const torch::NoGradGuard no_grad;
  for (const bool of_gradient : {true, false})
    for (const auto* group : optimizer.groups())
      for (const auto& [name, param] : *group) {
        const auto tensor = of_gradient ? (param.grad().defined() ? values_of(param) : Tensor()) : param;
        if (tensor.defined() && !tensor.isfinite().all().item<bool>()) return name;
      }
  return {};
}

}  // namespace hadal
