// SimpleBaseline: a ResNet, then deconvolutions back to a quarter of the picture's size, then a heat map a keypoint
// (Xiao et al. 2018, arXiv:1804.06208).
#pragma once
#include "hadal/models/pose/heatmap_model.h"
#include "hadal/models/vision/resnet.h"

namespace hadal {

struct SimpleBaselineConfig {
  int64_t keypoints = 17, height = 256, width = 192;
  std::vector<int64_t> layers = {2, 2, 2, 2};
  bool bottleneck = false;
  std::vector<int64_t> deconv = {256, 256, 256};

  static Fields<SimpleBaselineConfig> fields();
  void validate() const;
};

/// Parameter names are mmpose's (1.x). Those of mmpose 0.x, of Microsoft's human-pose-estimation.pytorch and, for the
/// ResNet alone, of torchvision are mapped.
struct SimpleBaselineImpl : HeatmapModel {
  explicit SimpleBaselineImpl(const SimpleBaselineConfig& config);
  Tensor forward(const Tensor& pixels) override;
  PosePreparation preparation() const override;
  int64_t keypoints() const override { return keypoints_; }
  std::vector<std::string> heads() const override { return {"head"}; }
  TensorsByName own_names(const TensorsByName& weights) const override;

 private:
  int64_t keypoints_, height_, width_;
  std::shared_ptr<nn::Module> backbone_;
  std::unique_ptr<ResNetBody> body_;
  nn::Sequential deconv_layers_;
  nn::Conv2d final_layer_{nullptr};
};
TORCH_MODULE(SimpleBaseline);

/// simplebaseline_resnet18, 34, 50, 101, 152.
void register_simple_baseline(HeatmapCatalog& catalog);

}  // namespace hadal
