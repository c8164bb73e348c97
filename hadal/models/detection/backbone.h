// What torchvision's detectors see with: a classification network's stages under a feature pyramid.
#pragma once
#include <string>
#include <vector>

#include "hadal/core/config.h"
#include "hadal/nn/fpn.h"

namespace hadal {

struct BackboneConfig {
  std::string kind = "resnet";
  std::vector<int64_t> layers = {3, 4, 6, 3};
  bool bottleneck = true;
  double width_multiplier = 1;
  int64_t stages = 0;  // of the body, from its last back, that the pyramid stands on; 0: as the model has it
  int64_t pyramid = 256;
  bool frozen_norm = false;
  double norm_eps = 1e-5;

  static Fields<BackboneConfig> fields();
  void validate() const;
};

/// Names: body.conv1 ... body.layer4, or body.0 ... body.16 of a MobileNetV3, and fpn.*, as torchvision's
/// BackboneWithFPN.
struct BackboneImpl : nn::Module {
  /// `resnet_stages`: how many of a ResNet's four stages stand for stages=0; of a MobileNetV3 the last two do, which
  /// are both of stride 32.
  BackboneImpl(const BackboneConfig& config, FpnShape::Top top, ConvNormShape::Norm norm, int64_t resnet_stages = 4);
  /// pixels (B, 3, H, W) -> the pyramid's levels, the finest first
  std::vector<Tensor> forward(const Tensor& pixels);
  size_t levels() const { return fpn_->levels(); }
  void train(bool on = true) override;

 private:
  bool frozen_;
  std::function<std::vector<Tensor>(const Tensor&)> stages_;
  Fpn fpn_{nullptr};
};
TORCH_MODULE(Backbone);

/// Weights' names from before torchvision 0.13 (fpn.inner_blocks.0.weight) as they are now (...0.0.weight).
std::string current_fpn_name(const std::string& name);

}  // namespace hadal
