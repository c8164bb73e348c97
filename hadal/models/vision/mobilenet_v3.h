// MobileNetV3 (Howard et al. 2019, arXiv:1905.02244): narrow layers, widened inside each block, with one filter a
// channel and squeezed attention over channels. Names are torchvision's.
#pragma once
#include <vector>

#include "hadal/models/vision/classifier.h"
#include "hadal/nn/linear.h"

namespace hadal {

struct MobileNetV3Config {
  int64_t classes = 1000, channels = 3;
  bool large = true;
  double width_multiplier = 1, dropout = 0.2, norm_eps = 1e-3, norm_momentum = 0.01;

  static Fields<MobileNetV3Config> fields();
};

/// The convolutional part: 17 modules for the large one, 13 for the small one, each (B, C, H, W) -> (B, C', H', W').
nn::Sequential mobilenet_v3_features(const MobileNetV3Config& config);

/// Where a feature pyramid looks: the module before each halving of the size and the last one, as torchvision counts
/// them, and their channels.
struct MobileNetV3Stage {
  int64_t module, channels;
};
std::vector<MobileNetV3Stage> mobilenet_v3_stages(const MobileNetV3Config& config);

struct MobileNetV3Impl : ImageClassifier {
  explicit MobileNetV3Impl(const MobileNetV3Config& config);
  /// pixels (B, channels, H, W), normalised -> logits (B, classes)
  Tensor forward(const Tensor& pixels) override;
  Tensor pooled(const Tensor& pixels) override;
  std::vector<std::string> heads() const override { return {"classifier.3"}; }
  PublishedSize published_size() const override { return {224, 256}; }

 private:
  int64_t channels_;
  nn::Sequential features_, classifier_;
};
TORCH_MODULE(MobileNetV3);

/// mobilenet_v3_large, mobilenet_v3_small.
void register_mobilenet_v3(ClassifierCatalog& catalog);

}  // namespace hadal
