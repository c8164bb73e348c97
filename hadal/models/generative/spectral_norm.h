// Layers whose weight is divided by its largest singular value, which bounds how steep they can be (Miyato et al. 2018,
// arXiv:1802.05957).
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// The weight behind a layer and the estimate of its singular vectors. Names are those of PyTorch's
/// nn.utils.parametrizations.spectral_norm: weight.original, weight.0._u, weight.0._v.
struct SpectralWeightImpl : nn::Module {
  /// Takes `weight` (out, ...) as the first value; 15 iterations from random vectors.
  explicit SpectralWeightImpl(const Tensor& weight);
  /// weight / sigma. While training each call makes one power iteration first, in place and without gradient.
  Tensor forward();

 private:
  void iterate(int64_t times);
  Tensor original_, u_, v_;
};
TORCH_MODULE(SpectralWeight);

/// A square convolution with that weight. Modules: parametrizations; parameter: bias.
struct SpectralConv2dImpl : nn::Module {
  SpectralConv2dImpl(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding, bool with_bias = true);
  Tensor forward(const Tensor& x);

 private:
  int64_t stride_, padding_;
  SpectralWeight weight_{nullptr};
  Tensor bias_;
};
TORCH_MODULE(SpectralConv2d);

/// A linear layer with that weight.
struct SpectralLinearImpl : nn::Module {
  SpectralLinearImpl(int64_t in, int64_t out);
  Tensor forward(const Tensor& x);

 private:
  SpectralWeight weight_{nullptr};
  Tensor bias_;
};
TORCH_MODULE(SpectralLinear);

}  // namespace hadal
