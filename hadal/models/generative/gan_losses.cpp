#include "hadal/models/generative/gan_losses.h"

#include <cmath>

#include <torch/csrc/autograd/autograd.h>

#include "hadal/core/shape.h"

namespace hadal {
namespace {

using torch::softplus;

struct Row {
  const char* name;
  GanLoss kind;
};
constexpr Row kLosses[] = {{"minimax", GanLoss::minimax},
                           {"non_saturating", GanLoss::non_saturating},
                           {"hinge", GanLoss::hinge},
                           {"wasserstein", GanLoss::wasserstein},
                           {"relativistic", GanLoss::relativistic}};

/// d sum(y) / d x, which can be differentiated in turn.
Tensor gradient(const Tensor& y, const Tensor& x) {
  return torch::autograd::grad({y.sum()}, {x}, {}, /*retain_graph=*/true, /*create_graph=*/true)[0];
}

}  // namespace

const std::vector<std::string>& gan_loss_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const auto& row : kLosses) out.emplace_back(row.name);
    return out;
  }();
  return names;
}

GanLoss gan_loss(const std::string& name) {
  for (const auto& row : kLosses)
    if (name == row.name) return row.kind;
  fail_usage("unknown loss of a GAN \"{}\"{}", name, suggest(name, gan_loss_names()));
}

Tensor discriminator_loss(GanLoss kind, const Tensor& real, const Tensor& made) {
  switch (kind) {
    case GanLoss::minimax:
    case GanLoss::non_saturating:
      return softplus(-real).mean() + softplus(made).mean();
    case GanLoss::hinge:
      return (1 - real).relu().mean() + (1 + made).relu().mean();
    case GanLoss::wasserstein:
      return made.mean() - real.mean();
    case GanLoss::relativistic:
      break;
  }
  expect_shape("relativistic loss", made, real.sizes().vec());
  return softplus(made - real).mean();
}

Tensor generator_loss(GanLoss kind, const Tensor& made, const Tensor& real) {
  switch (kind) {
    case GanLoss::minimax:
      return -softplus(made).mean();  // log(1 - sigmoid(x)) = -softplus(x)
    case GanLoss::non_saturating:
      return softplus(-made).mean();
    case GanLoss::hinge:
    case GanLoss::wasserstein:
      return -made.mean();
    case GanLoss::relativistic:
      break;
  }
  require(real.defined(), "[relativistic loss] a generator's loss wants the logits of real pictures too");
  expect_shape("relativistic loss", made, real.sizes().vec());
  return softplus(real - made).mean();
}

double discriminator_accuracy(GanLoss kind, const Tensor& real, const Tensor& made) {
  const auto share = [](const Tensor& right) { return right.to(torch::kFloat64).mean().item<double>(); };
  const bool pairs = kind == GanLoss::wasserstein || kind == GanLoss::relativistic;
  return pairs ? share(real.unsqueeze(1) > made) : (share(real > 0) + share(made <= 0)) / 2;
}

Tensor squared_gradients(const Tensor& logits, const Tensor& pictures) {
  return gradient(logits, pictures).flatten(1).square().sum(1);
}

Tensor gradient_penalty(const std::function<Tensor(const Tensor&)>& judge, const Tensor& real, const Tensor& made,
                        const Tensor& share) {
  expect_shape("gradient penalty", made, real.sizes().vec());
  expect_shape("gradient penalty", share, {real.size(0)});
  auto sizes = std::vector<int64_t>(real.dim(), 1);
  sizes[0] = real.size(0);
  const auto between = torch::lerp(made.detach(), real.detach(), share.view(sizes)).requires_grad_();
  return (squared_gradients(judge(between), between).sqrt() - 1).square().mean();
}

PathLengthImpl::PathLengthImpl(double pace) : pace_(pace) { mean_ = register_buffer("mean", torch::zeros({})); }

Tensor PathLengthImpl::forward(const Tensor& pictures, const Tensor& latents, const Tensor& noise) {
  expect_shape("path length", noise, pictures.sizes().vec());
  const auto area = static_cast<double>(pictures.size(2) * pictures.size(3));
  auto square = gradient(pictures * noise / std::sqrt(area), latents).square().sum(-1);  // (N) or (N, L)
  const auto lengths = (square.dim() > 1 ? square.mean(1) : square).sqrt();
  const torch::Tensor mean = mean_ + pace_ * (lengths.detach().mean() - mean_);
  if (is_training()) mean_.copy_(mean);
  return (lengths - mean).square().mean();
}

}  // namespace hadal
