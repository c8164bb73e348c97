// A convolution, a norm of its channels and an activation in a row: what most picture networks are made of.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

enum class Activation { none, relu, hard_swish };

struct ConvNormShape {
  enum class Norm { none, batch, group32 };
  int64_t in = 0, out = 0, kernel = 3, stride = 1, groups = 1;
  Norm norm = Norm::batch;  // without one the convolution has a bias
  Activation activation = Activation::relu;
  double eps = 1e-5, momentum = 0.1;
};

/// Names are torchvision's Conv2dNormActivation: "0" the convolution, "1" the norm. Padded so that stride 1 keeps the
/// size.
struct ConvNormImpl : nn::Module {
  explicit ConvNormImpl(const ConvNormShape& shape);
  /// (B, in, H, W) -> (B, out, ceil(H / stride), ceil(W / stride))
  Tensor forward(const Tensor& x);

  nn::Conv2d conv{nullptr};

 private:
  Activation activation_;
  nn::BatchNorm2d batch_{nullptr};
  nn::GroupNorm group_{nullptr};
};
TORCH_MODULE(ConvNorm);

Tensor activated(const Tensor& x, Activation activation);

}  // namespace hadal
