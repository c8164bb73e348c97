// ViTPose: a plain Vision Transformer, then two deconvolutions or one upsampling to a heat map a keypoint (Xu et al.
// 2022, arXiv:2204.12484).
#pragma once
#include <nlohmann/json.hpp>

#include "hadal/models/pose/heatmap_model.h"
#include "hadal/nn/transformer.h"

namespace hadal {

struct VitPoseConfig {
  int64_t keypoints = 17, height = 256, width = 192, patch = 16;
  int64_t dim = 768, depth = 12, heads = 12, mlp = 3072;
  std::string decoder = "classic";
  double dropout = 0, attention_dropout = 0, norm_eps = 1e-12;

  static Fields<VitPoseConfig> fields();
  void validate() const;
};

/// Patches that overlap the picture's edge by two pixels, learned positions, blocks, a last norm.
struct VitPoseBackboneImpl : nn::Module {
  explicit VitPoseBackboneImpl(const VitPoseConfig& config);
  Tensor forward(const Tensor& pixels);  // (N, 3, H, W) -> (N, dim, H / patch, W / patch)

 private:
  Tensor position_embeddings_;  // (1, 1 + tokens, dim); the first one is added to every token
  nn::Conv2d projection_{nullptr};
  nn::Dropout dropout_{nullptr};
  Blocks layer_{nullptr};
  Norm layernorm_{nullptr};
};
TORCH_MODULE(VitPoseBackbone);

/// Names are near those of transformers' VitPoseForPoseEstimation, which are mapped; without its mixture of experts.
struct VitPoseImpl : HeatmapModel {
  explicit VitPoseImpl(const VitPoseConfig& config);
  Tensor forward(const Tensor& pixels) override;
  PosePreparation preparation() const override;
  int64_t keypoints() const override { return keypoints_; }
  std::vector<std::string> heads() const override { return {"head.conv"}; }
  TensorsByName own_names(const TensorsByName& weights) const override;

 private:
  int64_t keypoints_, height_, width_, patch_;
  bool simple_;
  VitPoseBackbone backbone_{nullptr};
  nn::ConvTranspose2d deconv1_{nullptr}, deconv2_{nullptr};
  nn::BatchNorm2d batchnorm1_{nullptr}, batchnorm2_{nullptr};
  nn::Conv2d conv_{nullptr};
};
TORCH_MODULE(VitPose);

/// A config.json of transformers' VitPoseForPoseEstimation as settings of `vitpose_b`. Throws FileError with all that
/// no setting gives; `name` is the file's.
Part vitpose_settings(const nlohmann::json& config, const std::string& name = "config.json");

/// vitpose_s, b, l, h.
void register_vitpose(HeatmapCatalog& catalog);

}  // namespace hadal
