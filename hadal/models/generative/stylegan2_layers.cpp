#include "hadal/models/generative/stylegan2_layers.h"

#include <cmath>
#include <numbers>

#include "hadal/models/generative/resample.h"
#include "hadal/nn/init.h"
#include "hadal/ops/linear.h"

namespace hadal {
namespace {

Tensor drawn(at::IntArrayRef shape, double std = 1) {
  auto weight = torch::empty(shape);
  init::normal(weight, std);
  return weight;
}

/// The weight as it is used: divided by the root of what a result is summed of.
Tensor scaled(const Tensor& weight, double rate = 1) {
  return weight * (rate / std::sqrt(static_cast<double>(weight[0].numel())));
}

Tensor by_channel(const Tensor& x) { return x.unsqueeze(-1).unsqueeze(-1); }  // (N, C) -> (N, C, 1, 1)

}  // namespace

Tensor leaky(const Tensor& x) { return torch::leaky_relu(x, 0.2) * std::numbers::sqrt2; }

Tensor normalised(const Tensor& x) { return x * (x.square().mean(-1, true) + 1e-8).rsqrt(); }

EqualLinearImpl::EqualLinearImpl(int64_t in, int64_t out, double rate, double bias) : rate_(rate) {
  weight_ = register_parameter("weight", drawn({out, in}, 1 / rate));
  bias_ = register_parameter("bias", torch::full({out}, bias));
}

Tensor EqualLinearImpl::forward(const Tensor& x) { return linear(x, scaled(weight_, rate_), bias_ * rate_); }

EqualConvImpl::EqualConvImpl(int64_t in, int64_t out, int64_t kernel, bool down, bool with_bias) : down_(down) {
  weight_ = register_parameter("weight", drawn({out, in, kernel, kernel}));
  if (with_bias) bias_ = register_parameter("bias", torch::zeros({out}));
}

Tensor EqualConvImpl::forward(const Tensor& x) {
  const auto kernel = weight_.size(2);
  const auto weight = scaled(weight_);
  Tensor y;
  if (!down_)
    y = torch::conv2d(x, weight, bias_, 1, kernel / 2);
  else if (kernel == 1)
    y = torch::conv2d(halved(x), weight, bias_);
  else
    y = torch::conv2d(smoothed(x, 2), weight, bias_, 2);  // (H, W) -> (H + 1, W + 1) -> (H / 2, W / 2)
  return bias_.defined() ? leaky(y) : y;
}

StyleConvImpl::StyleConvImpl(int64_t in, int64_t out, int64_t side, int64_t latent, bool up) : up_(up) {
  affine_ = register_module("affine", EqualLinear(latent, in, 1, 1));
  weight_ = register_parameter("weight", drawn({out, in, 3, 3}));
  bias_ = register_parameter("bias", torch::zeros({out}));
  strength_ = register_parameter("noise_strength", torch::zeros({}));
  noise_ = register_buffer("noise_const", drawn({side, side}));
}

Tensor StyleConvImpl::forward(const Tensor& x, const Tensor& style) {
  const auto scales = affine_(style);  // (N, in)
  const auto weight = scaled(weight_);
  const auto power = torch::mm(scales.square(), weight.square().sum({2, 3}).t());  // (N, out)
  const auto scaled_x = x * by_channel(scales);
  auto y = up_ ? smoothed(torch::conv_transpose2d(scaled_x, weight.transpose(0, 1), {}, 2), 1, 4)
               : torch::conv2d(scaled_x, weight, {}, 1, 1);
  y = y * by_channel((power + 1e-8).rsqrt());
  const auto noise = is_training() ? torch::randn({y.size(0), 1, y.size(2), y.size(3)}, y.options()) : noise_;
  return leaky(y + noise * strength_ + by_channel(bias_));
}

StyleColoursImpl::StyleColoursImpl(int64_t in, int64_t channels, int64_t latent) {
  affine_ = register_module("affine", EqualLinear(latent, in, 1, 1));
  weight_ = register_parameter("weight", drawn({channels, in, 1, 1}));
  bias_ = register_parameter("bias", torch::zeros({channels}));
}

Tensor StyleColoursImpl::forward(const Tensor& x, const Tensor& style) {
  return torch::conv2d(x * by_channel(affine_(style)), scaled(weight_), bias_);
}

}  // namespace hadal
