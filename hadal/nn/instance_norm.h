// Reversible instance normalisation of series (Kim et al. 2022, "Reversible Instance Normalization for Accurate
// Time-Series Forecasting against Distribution Shift", ICLR): a model sees every window at mean 0 and deviation 1.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// Parameters affine_weight and affine_bias (C), where `affine`.
struct InstanceNormImpl : nn::Module {
  explicit InstanceNormImpl(int64_t channels, bool affine = false, double eps = 1e-5) : affine_(affine), eps_(eps) {
    if (!affine) return;
    weight_ = register_parameter("affine_weight", torch::ones({channels}));
    bias_ = register_parameter("affine_bias", torch::zeros({channels}));
  }

  /// What a window was before; no gradient flows through it.
  struct Statistics {
    Tensor mean, deviation;  // (B, C, 1)
  };

  /// x (B, C, L) -> the same shape.
  std::pair<Tensor, Statistics> normalise(const Tensor& x) const {
    const auto still = x.detach();
    const auto mean = still.mean(2, true);
    const auto deviation = (still.var(2, false, true) + eps_).sqrt();
    auto y = (x - mean) / deviation;
    if (affine_) y = y * weight_.unsqueeze(1) + bias_.unsqueeze(1);
    return {y, {mean, deviation}};
  }

  /// y (B, C, Q, H) back to the window's own values.
  Tensor restore(Tensor y, const Statistics& was) const {
    if (affine_) y = (y - bias_.view({-1, 1, 1})) / (weight_.view({-1, 1, 1}) + eps_ * eps_);
    return torch::addcmul(was.mean.unsqueeze(3), y, was.deviation.unsqueeze(3));
  }

 private:
  bool affine_;
  double eps_;
  Tensor weight_, bias_;
};
TORCH_MODULE(InstanceNorm);

}  // namespace hadal
