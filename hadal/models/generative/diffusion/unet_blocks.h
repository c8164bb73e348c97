// What a U-Net for diffusion is made of; parameter names are those of diffusers' blocks.
#pragma once
#include "hadal/nn/linear.h"

namespace hadal {

/// A list of modules as a child of `module`; none where it is empty.
template <class Holder>
void register_list(nn::Module& module, const std::string& name, const std::vector<Holder>& items) {
  if (items.empty()) return;
  nn::ModuleList list;
  for (const auto& item : items) list->push_back(item.ptr());
  module.register_module(name, list);
}

/// The time as sines and cosines, (N) -> (N, dim) float64, of wavelengths from 2 pi to 10000 times that. In floats
/// angles of times near 1000 would be wrong in the fourth digit.
struct TimeWaves {
  int64_t dim = 128;
  bool cosines_first = true;
  double shift = 0;  // DDPM's own nets have wavelengths up to 10000 exactly: 1
  Tensor operator()(const Tensor& time) const;
};

/// linear_1, SiLU, linear_2.
struct TimeMlpImpl : nn::Module {
  TimeMlpImpl(int64_t in, int64_t dim);
  Tensor forward(const Tensor& waves);

 private:
  Linear linear_1_{nullptr}, linear_2_{nullptr};
};
TORCH_MODULE(TimeMlp);

struct UnetBlockShape {
  int64_t in = 0, out = 0, time = 0, groups = 8;
  double eps = 1e-5, dropout = 0;
  bool scaled = false;  // time scales and shifts what the second norm gives, instead of being added before it
};

/// Norm, SiLU, convolution twice, the time between, around it a shortcut: norm1, conv1, time_emb_proj, norm2, conv2,
/// conv_shortcut (ResnetBlock2D).
struct UnetResidualImpl : nn::Module {
  explicit UnetResidualImpl(const UnetBlockShape& shape);
  /// x (N, in, H, W), embedding after its SiLU (N, time) -> (N, out, H, W)
  Tensor forward(const Tensor& x, const Tensor& active);

 private:
  UnetBlockShape shape_;
  nn::GroupNorm norm1_{nullptr}, norm2_{nullptr};
  nn::Conv2d conv1_{nullptr}, conv2_{nullptr}, conv_shortcut_{nullptr};
  Linear time_emb_proj_{nullptr};
};
TORCH_MODULE(UnetResidual);

/// Every place of a feature map looks at all others: group_norm, to_q, to_k, to_v, to_out.0 (Attention).
struct UnetAttentionImpl : nn::Module {
  /// head_dim 0: a single head.
  UnetAttentionImpl(int64_t dim, int64_t head_dim, int64_t groups, double eps);
  Tensor forward(const Tensor& x);

 private:
  int64_t heads_;
  nn::GroupNorm group_norm_{nullptr};
  Linear to_q_{nullptr}, to_k_{nullptr}, to_v_{nullptr}, to_out_{nullptr};
};
TORCH_MODULE(UnetAttention);

/// A convolution of stride 2, or pixels doubled and a convolution: conv.
struct UnetResampleImpl : nn::Module {
  /// `padding` 0 of halving: a pixel right and below alone.
  UnetResampleImpl(int64_t dim, bool halves, int64_t padding = 1);
  Tensor forward(const Tensor& x);

 private:
  bool halves_, uneven_;
  nn::Conv2d conv_{nullptr};
};
TORCH_MODULE(UnetResample);

/// Blocks at one size, each with attention behind it or none: resnets, attentions, and downsamplers or upsamplers.
struct UnetLevelImpl : nn::Module {
  UnetLevelImpl(std::vector<UnetResidual> blocks, std::vector<UnetAttention> looks);
  void add_resample(const std::string& name, UnetResample added);

  std::vector<UnetResidual> resnets;
  std::vector<UnetAttention> attentions;
  UnetResample resample{nullptr};
};
TORCH_MODULE(UnetLevel);

/// (N, C, H, W) -> (N, C, 2 H, 2 W), each pixel four times.
Tensor doubled_pixels(const Tensor& x);
/// silu(norm(x + added)), added (N, C) or undefined.
Tensor norm_silu(const Tensor& x, nn::GroupNorm& norm, const Tensor& added = {});

}  // namespace hadal
