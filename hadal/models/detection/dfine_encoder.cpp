#include "hadal/models/detection/dfine_encoder.h"

#include <cmath>

#include "hadal/nn/names_only.h"

namespace hadal {
namespace {

/// conv, norm and, with `silu`, the activation.
struct ConvImpl : nn::Module {
  ConvImpl(int64_t in, int64_t out, int64_t kernel, bool silu = false, int64_t stride = 1, int64_t groups = 1)
      : silu_(silu) {
    conv_ = register_module(
        "conv",
        nn::Conv2d(
            nn::Conv2dOptions(in, out, kernel).stride(stride).padding((kernel - 1) / 2).groups(groups).bias(false)));
    norm_ = register_module("norm", nn::BatchNorm2d(out));
  }
  Tensor forward(const Tensor& x) {
    const auto y = norm_(conv_(x));
    return silu_ ? torch::silu(y) : y;
  }

 private:
  bool silu_;
  nn::Conv2d conv_{nullptr};
  nn::BatchNorm2d norm_{nullptr};
};
TORCH_MODULE(Conv);

/// A 3x3 and a 1x1 convolution side by side (Ding et al. 2021, arXiv:2101.03697).
struct TwinImpl : nn::Module {
  explicit TwinImpl(int64_t dim) {
    conv1_ = register_module("conv1", Conv(dim, dim, 3));
    conv2_ = register_module("conv2", Conv(dim, dim, 1));
  }
  Tensor forward(const Tensor& x) { return torch::silu(conv1_(x) + conv2_(x)); }

 private:
  Conv conv1_{nullptr}, conv2_{nullptr};
};
TORCH_MODULE(Twin);

struct CspRepImpl : nn::Module {
  CspRepImpl(int64_t in, int64_t out, int64_t count) {
    conv1_ = register_module("conv1", Conv(in, out, 1, true));
    conv2_ = register_module("conv2", Conv(in, out, 1, true));
    for (int64_t i = 0; i < count; ++i) bottlenecks_->push_back(Twin(out));
    register_module("bottlenecks", bottlenecks_);
  }
  Tensor forward(const Tensor& x) {
    const auto y = conv1_(x);
    return (bottlenecks_->is_empty() ? y : bottlenecks_->forward(y)) + conv2_(x);
  }

 private:
  Conv conv1_{nullptr}, conv2_{nullptr};
  nn::Sequential bottlenecks_;
};
TORCH_MODULE(CspRep);

/// Half the size: a 1x1 convolution, then one with stride 2 channel by channel.
struct DownImpl : nn::Module {
  explicit DownImpl(int64_t dim) {
    conv1_ = register_module("conv1", Conv(dim, dim, 1));
    conv2_ = register_module("conv2", Conv(dim, dim, 3, false, 2, dim));
  }
  Tensor forward(const Tensor& x) { return conv2_(conv1_(x)); }

 private:
  Conv conv1_{nullptr}, conv2_{nullptr};
};
TORCH_MODULE(Down);

}  // namespace

/// Attention and a feed-forward net, with norms behind each (aifi.0.layers.*).
struct DfineEncoderImpl::Layer : nn::Module {
  Layer(int64_t dim, int64_t heads, int64_t hidden) {
    self_attn_ = register_module("self_attn", DfineAttention(dim, heads));
    norm1_ = register_module("self_attn_layer_norm", Norm(dim, 1e-5));
    mlp_ = register_module("mlp", DfineMlp(dim, hidden, dim, 2, true));
    norm2_ = register_module("final_layer_norm", Norm(dim, 1e-5));
  }
  Tensor forward(const Tensor& x, const Tensor& places) {
    const auto y = norm1_(x + self_attn_(x, places, Tensor()));
    return norm2_(y + mlp_(y));
  }

 private:
  DfineAttention self_attn_{nullptr};
  Norm norm1_{nullptr}, norm2_{nullptr};
  DfineMlp mlp_{nullptr};
};

/// Two levels joined, by an ELAN of CSP blocks (Wang et al. 2024, arXiv:2402.13616).
struct DfineEncoderImpl::Elan : nn::Module {
  Elan(int64_t dim, int64_t inner, int64_t count) {
    conv1_ = register_module("conv1", Conv(2 * dim, 2 * dim, 1, true));
    csp1_ = register_module("csp_rep1", CspRep(dim, inner, count));
    conv2_ = register_module("conv2", Conv(inner, inner, 3, true));
    csp2_ = register_module("csp_rep2", CspRep(inner, inner, count));
    conv3_ = register_module("conv3", Conv(inner, inner, 3, true));
    conv4_ = register_module("conv4", Conv(2 * (dim + inner), dim, 1, true));
  }
  Tensor forward(const Tensor& a, const Tensor& b) {
    const auto x = conv1_(torch::cat({a, b}, 1));
    const auto first = conv2_(csp1_(x.chunk(2, 1)[1]));
    return conv4_(torch::cat({x, first, conv3_(csp2_(first))}, 1));
  }

 private:
  Conv conv1_{nullptr}, conv2_{nullptr}, conv3_{nullptr}, conv4_{nullptr};
  CspRep csp1_{nullptr}, csp2_{nullptr};
};

Tensor plane_positions(int64_t h, int64_t w, int64_t dim) {
  const auto quarter = dim / 4;
  const auto turns = torch::pow(10000.0, -torch::arange(quarter, torch::kFloat64) / static_cast<double>(quarter));
  const auto rows = torch::arange(h, torch::kFloat64).repeat_interleave(w).outer(turns);
  const auto columns = torch::arange(w, torch::kFloat64).repeat({h}).outer(turns);
  return torch::cat({rows.sin(), rows.cos(), columns.sin(), columns.cos()}, 1);
}

DfineEncoderImpl::DfineEncoderImpl(const DfineConfig& config) : dim_(config.encoder_dim) {
  const auto aifi = register_module("aifi", std::make_shared<NamesOnly>());
  const auto only = aifi->register_module("0", std::make_shared<NamesOnly>());
  const auto list = only->register_module("layers", std::make_shared<NamesOnly>());
  for (int64_t i = 0; i < config.encoder_layers; ++i)
    layers_.push_back(
        list->register_module(std::to_string(i), std::make_shared<Layer>(dim_, config.heads, config.encoder_hidden)));
  // Halves go to the even number, as Python rounds.
  const auto blocks = static_cast<int64_t>(std::nearbyint(3 * config.depth));
  const auto inner = static_cast<int64_t>(std::floor(config.expansion * static_cast<double>(dim_) / 2));
  const auto steps = std::ssize(config.points) - 1;
  const auto elans = [&](const char* name, std::vector<std::shared_ptr<Elan>>& out) {
    const auto part = register_module(name, std::make_shared<NamesOnly>());
    for (int64_t i = 0; i < steps; ++i)
      out.push_back(part->register_module(std::to_string(i), std::make_shared<Elan>(dim_, inner, blocks)));
  };
  for (int64_t i = 0; i < steps; ++i) {
    lateral_->push_back(Conv(dim_, dim_, 1));
    down_->push_back(Down(dim_));
  }
  register_module("lateral_convs", lateral_);
  elans("fpn_blocks", fpn_);
  register_module("downsample_convs", down_);
  elans("pan_blocks", pan_);
}

Tensor DfineEncoderImpl::attended(const Tensor& level) {
  const auto h = level.size(2), w = level.size(3);
  const auto places = plane_positions(h, w, dim_).to(level.device(), level.scalar_type()).unsqueeze(0);
  auto x = level.flatten(2).transpose(1, 2);
  for (auto& layer : layers_) x = layer->forward(x, places);
  return x.transpose(1, 2).unflatten(2, {h, w});
}

std::vector<Tensor> DfineEncoderImpl::forward(std::vector<Tensor> levels) {
  const auto last = levels.size() - 1;
  levels[last] = attended(levels[last]);
  for (size_t i = 0; i < last; ++i) {
    auto& coarse = levels[last - i];
    auto& fine = levels[last - i - 1];
    coarse = lateral_[i]->as<Conv>()->forward(coarse);
    fine = fpn_[i]->forward(torch::upsample_nearest2d(coarse, {fine.size(2), fine.size(3)}), fine);
  }
  for (size_t i = 0; i < last; ++i)
    levels[i + 1] = pan_[i]->forward(down_[i]->as<Down>()->forward(levels[i]), levels[i + 1]);
  return levels;
}

}  // namespace hadal
