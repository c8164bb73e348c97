#include "hadal/models/generative/diffusion/unet_blocks.h"

#include <cmath>

#include "hadal/ops/attention.h"
#include "hadal/ops/group_norm.h"
#include "hadal/ops/tokens.h"

namespace hadal {
namespace {

constexpr double kLongest = 10000;

nn::GroupNorm group_norm(int64_t groups, int64_t channels, double eps) {
  return nn::GroupNorm(nn::GroupNormOptions(groups, channels).eps(eps));
}

nn::Conv2d conv(int64_t in, int64_t out, int64_t kernel) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, kernel).padding(kernel / 2));
}

}  // namespace

Tensor TimeWaves::operator()(const Tensor& time) const {
  const auto half = dim / 2;
  const auto order = torch::arange(half, torch::TensorOptions(torch::kFloat64).device(time.device()));
  const auto frequency = (order * (-std::log(kLongest) / (static_cast<double>(half) - shift))).exp();
  const auto angle = time.to(torch::kFloat64).unsqueeze(1) * frequency;
  const auto waves =
      cosines_first ? torch::cat({angle.cos(), angle.sin()}, 1) : torch::cat({angle.sin(), angle.cos()}, 1);
  return dim % 2 == 0 ? waves : F::pad(waves, F::PadFuncOptions({0, 1}));
}

TimeMlpImpl::TimeMlpImpl(int64_t in, int64_t dim) {
  linear_1_ = register_module("linear_1", Linear(in, dim));
  linear_2_ = register_module("linear_2", Linear(dim, dim));
}

Tensor TimeMlpImpl::forward(const Tensor& waves) { return linear_2_(torch::silu(linear_1_(waves))); }

Tensor doubled_pixels(const Tensor& x) {
  return torch::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}, std::nullopt, std::nullopt);
}

Tensor norm_silu(const Tensor& x, nn::GroupNorm& norm, const Tensor& added) {
  return group_norm_silu(x, norm->options.num_groups(), norm->weight, norm->bias, norm->options.eps(), added);
}

UnetResidualImpl::UnetResidualImpl(const UnetBlockShape& shape) : shape_(shape) {
  norm1_ = register_module("norm1", group_norm(shape.groups, shape.in, shape.eps));
  conv1_ = register_module("conv1", conv(shape.in, shape.out, 3));
  time_emb_proj_ = register_module("time_emb_proj", Linear(shape.time, shape.scaled ? 2 * shape.out : shape.out));
  norm2_ = register_module("norm2", group_norm(shape.groups, shape.out, shape.eps));
  conv2_ = register_module("conv2", conv(shape.out, shape.out, 3));
  if (shape.in != shape.out) conv_shortcut_ = register_module("conv_shortcut", conv(shape.in, shape.out, 1));
}

Tensor UnetResidualImpl::forward(const Tensor& x, const Tensor& active) {
  auto h = conv1_(norm_silu(x, norm1_));
  const auto time = time_emb_proj_(active);
  if (shape_.scaled) {
    const auto parts = time.chunk(2, 1);
    const auto scale = 1 + parts[0];
    h = group_norm_silu(h, shape_.groups, norm2_->weight * scale, torch::addcmul(parts[1], norm2_->bias, scale),
                        shape_.eps);
  } else {
    h = norm_silu(h, norm2_, time);
  }
  h = conv2_(dropped(h, shape_.dropout, is_training()));
  return (conv_shortcut_ ? conv_shortcut_(x) : x) + h;
}

UnetAttentionImpl::UnetAttentionImpl(int64_t dim, int64_t head_dim, int64_t groups, double eps)
    : heads_(head_dim == 0 ? 1 : dim / head_dim) {
  group_norm_ = register_module("group_norm", group_norm(groups, dim, eps));
  to_q_ = register_module("to_q", Linear(dim, dim));
  to_k_ = register_module("to_k", Linear(dim, dim));
  to_v_ = register_module("to_v", Linear(dim, dim));
  const nn::ModuleList out(to_out_ = Linear(dim, dim));
  register_module("to_out", out);
}

Tensor UnetAttentionImpl::forward(const Tensor& x) {
  const auto count = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
  const auto tokens = group_norm_(x).permute({0, 2, 3, 1}).reshape({count, height * width, channels});
  const auto heads = [&](Linear& projection) {
    return projection(tokens).view({count, height * width, heads_, channels / heads_}).transpose(1, 2);
  };
  const auto mixed = attention(heads(to_q_), heads(to_k_), heads(to_v_)).transpose(1, 2).reshape(tokens.sizes());
  return x + to_out_(mixed).view({count, height, width, channels}).permute({0, 3, 1, 2});
}

UnetResampleImpl::UnetResampleImpl(int64_t dim, bool halves, int64_t padding)
    : halves_(halves), uneven_(halves && padding == 0) {
  conv_ = register_module(
      "conv", nn::Conv2d(nn::Conv2dOptions(dim, dim, 3).stride(halves ? 2 : 1).padding(halves ? padding : 1)));
}

Tensor UnetResampleImpl::forward(const Tensor& x) {
  if (!halves_) return conv_(doubled_pixels(x));
  return conv_(uneven_ ? F::pad(x, F::PadFuncOptions({0, 1, 0, 1})) : x);
}

UnetLevelImpl::UnetLevelImpl(std::vector<UnetResidual> blocks, std::vector<UnetAttention> looks)
    : resnets(std::move(blocks)), attentions(std::move(looks)) {
  register_list(*this, "attentions", attentions);
  register_list(*this, "resnets", resnets);
}

void UnetLevelImpl::add_resample(const std::string& name, UnetResample added) {
  resample = std::move(added);
  register_list(*this, name, std::vector{resample});
}

}  // namespace hadal
