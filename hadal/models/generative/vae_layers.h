// What the convolutional VAE and the VQ-VAE are made of.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// A convolution that keeps the sides of its input, or divides them by `stride`.
inline nn::Conv2d padded_conv(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, kernel).stride(stride).padding((kernel - 1) / 2));
}
/// Twice the sides.
inline nn::ConvTranspose2d doubled_conv(int64_t in, int64_t out) {
  return nn::ConvTranspose2d(nn::ConvTranspose2dOptions(in, out, 4).stride(2).padding(1));
}

}  // namespace hadal
