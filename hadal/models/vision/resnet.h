// Residual networks (He et al. 2015, arXiv:1512.03385): ResNet-18 to 152 for large pictures, with torchvision's names,
// and ResNet-20 to 56 for 32x32 (section 4.2), with the names of akamaster's pytorch_resnet_cifar10.
#pragma once
#include <vector>

#include "hadal/models/vision/classifier.h"
#include "hadal/nn/linear.h"

namespace hadal {

struct ResNetConfig {
  int64_t classes = 1000, channels = 3;
  std::vector<int64_t> layers = {2, 2, 2, 2};
  bool bottleneck = false;

  static Fields<ResNetConfig> fields();
  void validate() const;
};

/// The convolutional part of one: registers conv1, bn1 and layer1 to layer4 in the module that owns it.
class ResNetBody {
 public:
  ResNetBody(nn::Module& owner, const ResNetConfig& config);
  /// pixels (B, channels, H, W) -> the four stages' outputs at 1/4, 1/8, 1/16 and 1/32 of the size: what a feature
  /// pyramid takes.
  std::vector<Tensor> features(const Tensor& pixels);
  /// Channels of each stage.
  const std::vector<int64_t>& widths() const { return widths_; }

 private:
  int64_t channels_;
  nn::Conv2d conv1_{nullptr};
  nn::BatchNorm2d bn1_{nullptr};
  std::vector<nn::Sequential> stages_;
  std::vector<int64_t> widths_;
};

/// Parameter names and initialisation are torchvision's (v1.5: a bottleneck's stride sits in its 3x3 convolution).
struct ResNetImpl : ImageClassifier {
  explicit ResNetImpl(const ResNetConfig& config);
  /// pixels (B, channels, H, W), normalised -> logits (B, classes)
  Tensor forward(const Tensor& pixels) override;
  Tensor pooled(const Tensor& pixels) override;
  std::vector<Tensor> features(const Tensor& pixels) { return body_.features(pixels); }
  std::vector<std::string> heads() const override { return {"fc"}; }
  PublishedSize published_size() const override { return {224, 256}; }

 private:
  ResNetBody body_;
  Linear fc_{nullptr};
};
TORCH_MODULE(ResNet);

struct CifarResNetConfig {
  int64_t classes = 10, channels = 3, depth = 20;

  static Fields<CifarResNetConfig> fields();
  void validate() const;
};

/// Three stages of 16, 32 and 64 channels; shortcuts between them have no parameters (option A of the paper).
struct CifarResNetImpl : ImageClassifier {
  explicit CifarResNetImpl(const CifarResNetConfig& config);
  /// pixels (B, channels, H, W), normalised -> logits (B, classes)
  Tensor forward(const Tensor& pixels) override;
  Tensor pooled(const Tensor& pixels) override;
  std::vector<std::string> heads() const override { return {"linear"}; }
  PublishedSize published_size() const override { return {32}; }

 private:
  int64_t channels_;
  nn::Conv2d conv1_{nullptr};
  nn::BatchNorm2d bn1_{nullptr};
  std::vector<nn::Sequential> stages_;
  Linear linear_{nullptr};
};
TORCH_MODULE(CifarResNet);

/// resnet18, 34, 50, 101, 152 and resnet20-cifar, 32, 44, 56.
void register_resnet(ClassifierCatalog& catalog);

}  // namespace hadal
