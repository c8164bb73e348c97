// Layers of StyleGAN2, whose weights all begin as N(0, 1) and are scaled where they are used, so that all learn at one
// rate (Karras et al. 2017, arXiv:1710.10196, section 4.1).
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// LeakyReLU 0.2, times sqrt(2), which keeps the variance.
Tensor leaky(const Tensor& x);
/// x / its root mean square along the last dimension.
Tensor normalised(const Tensor& x);

/// (N, in) -> (N, out). `rate`: how fast it learns beside the others; the bias begins at `bias`.
struct EqualLinearImpl : nn::Module {
  EqualLinearImpl(int64_t in, int64_t out, double rate = 1, double bias = 0);
  Tensor forward(const Tensor& x);

 private:
  double rate_;
  Tensor weight_, bias_;
};
TORCH_MODULE(EqualLinear);

/// A convolution, halving its input where `down` is set: smoothed first. Without `with_bias` neither a bias nor a
/// rectifier follows.
struct EqualConvImpl : nn::Module {
  EqualConvImpl(int64_t in, int64_t out, int64_t kernel, bool down = false, bool with_bias = true);
  Tensor forward(const Tensor& x);

 private:
  bool down_;
  Tensor weight_, bias_;
};
TORCH_MODULE(EqualConv);

/// A 3x3 convolution whose input channels a style scales and whose output has unit variance again, then noise, bias and
/// rectifier; doubles its input where `up` is set (eq. 1 to 3).
struct StyleConvImpl : nn::Module {
  StyleConvImpl(int64_t in, int64_t out, int64_t side, int64_t latent, bool up);
  /// x (N, in, h, w), style (N, latent) -> (N, out, side, side)
  Tensor forward(const Tensor& x, const Tensor& style);

 private:
  bool up_;
  EqualLinear affine_{nullptr};
  Tensor weight_, bias_, strength_, noise_;
};
TORCH_MODULE(StyleConv);

/// Features -> colours, scaled by the style, without unit variance.
struct StyleColoursImpl : nn::Module {
  StyleColoursImpl(int64_t in, int64_t channels, int64_t latent);
  Tensor forward(const Tensor& x, const Tensor& style);

 private:
  EqualLinear affine_{nullptr};
  Tensor weight_, bias_;
};
TORCH_MODULE(StyleColours);

}  // namespace hadal
