// Feature pyramid network (Lin et al. 2017, arXiv:1612.03144): the coarse levels of a network brought down to the fine
// ones, all with the same channels.
#pragma once
#include <vector>

#include "hadal/nn/conv_norm.h"

namespace hadal {

struct FpnShape {
  /// Coarser levels on top: none; every second place of the last (for R-CNNs); two convolutions of stride 2, on the
  /// pyramid's last level or on the network's (RetinaNet).
  enum class Top { none, subsampled, from_pyramid, from_network };
  std::vector<int64_t> in;  // channels of the levels, the finest first
  int64_t out = 256;
  Top top = Top::subsampled;
  ConvNormShape::Norm norm = ConvNormShape::Norm::none;
};

/// Names are torchvision's FeaturePyramidNetwork.
struct FpnImpl : nn::Module {
  explicit FpnImpl(const FpnShape& shape);
  /// Levels (B, in_i, H_i, W_i), the finest first -> levels (B, out, H_i, W_i) and those on top. Throws Error when
  /// their number is another.
  std::vector<Tensor> forward(const std::vector<Tensor>& levels);
  /// How many levels come out.
  size_t levels() const;

 private:
  FpnShape shape_;
  std::vector<ConvNorm> inner_, layer_;
  nn::Conv2d p6_{nullptr}, p7_{nullptr};
};
TORCH_MODULE(Fpn);

}  // namespace hadal
