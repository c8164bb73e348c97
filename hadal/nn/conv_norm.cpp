#include "hadal/nn/conv_norm.h"

#include "hadal/core/error.h"

namespace hadal {

ConvNormImpl::ConvNormImpl(const ConvNormShape& shape) : activation_(shape.activation) {
  using Norm = ConvNormShape::Norm;
  conv = register_module("0", nn::Conv2d(nn::Conv2dOptions(shape.in, shape.out, shape.kernel)
                                             .stride(shape.stride)
                                             .padding((shape.kernel - 1) / 2)
                                             .groups(shape.groups)
                                             .bias(shape.norm == Norm::none)));
  if (shape.norm == Norm::batch)
    batch_ = register_module(
        "1", nn::BatchNorm2d(nn::BatchNorm2dOptions(shape.out).eps(shape.eps).momentum(shape.momentum)));
  if (shape.norm == Norm::group32) {
    require(shape.out % 32 == 0, "[conv_norm] channels ({}) must be a multiple of 32; nearest: {}", shape.out,
            nearest_multiple(shape.out, 32));
    group_ = register_module("1", nn::GroupNorm(nn::GroupNormOptions(32, shape.out).eps(shape.eps)));
  }
}

Tensor ConvNormImpl::forward(const Tensor& x) {
  auto y = conv(x);
  if (batch_) y = batch_(y);
  if (group_) y = group_(y);
  return activated(y, activation_);
}

Tensor activated(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::relu:
      return x.relu();
    case Activation::hard_swish:
      return torch::hardswish(x);
    case Activation::none:
      break;
  }
  return x;
}

}  // namespace hadal
