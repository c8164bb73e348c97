// Vision Transformer: a picture as a row of patch tokens behind a class token (Dosovitskiy et al. 2021,
// arXiv:2010.11929).
#pragma once
#include <nlohmann/json.hpp>

#include "hadal/models/vision/classifier.h"
#include "hadal/models/vision/vit_names.h"
#include "hadal/nn/transformer.h"

namespace hadal {

struct VitConfig {
  int64_t classes = 1000, channels = 3, image = 224, patch = 16;
  int64_t dim = 768, depth = 12, heads = 12, mlp = 3072;
  double dropout = 0, attention_dropout = 0, norm_eps = 1e-6;

  static Fields<VitConfig> fields();
  void validate() const;
};

/// Learned positions, encoder blocks, norm: what torchvision calls `encoder`.
struct VitEncoderImpl : nn::Module {
  VitEncoderImpl(const VitConfig& config, int64_t tokens);
  Tensor forward(const Tensor& x);  // (B, T, dim) -> (B, T, dim)

 private:
  Tensor pos_embedding_;  // (1, T, dim)
  nn::Dropout dropout_{nullptr};
  Blocks layers_{nullptr};
  Norm ln_{nullptr};
};
TORCH_MODULE(VitEncoder);

/// Parameter names and initialisation are torchvision's; vit_names.h maps timm's and Hugging Face's.
struct VitImpl : ImageClassifier {
  /// Throws UsageError when the config does not fit together.
  explicit VitImpl(const VitConfig& config);
  /// pixels (B, channels, image, image), normalised -> logits (B, classes). Throws Error on any other size.
  Tensor forward(const Tensor& pixels) override;
  Tensor pooled(const Tensor& pixels) override;
  std::vector<std::string> heads() const override { return {"heads.head"}; }
  /// Weights for larger pictures were published without a border to cut off.
  PublishedSize published_size() const override { return {image_, image_ == 224 ? 256 : 0}; }
  TensorsByName own_names(const TensorsByName& weights) const override { return torchvision_vit_names(weights); }

 private:
  int64_t channels_, image_;
  Tensor class_token_;  // (1, 1, dim)
  nn::Conv2d conv_proj_{nullptr};
  VitEncoder encoder_{nullptr};
  nn::Sequential heads_;
};
TORCH_MODULE(Vit);

/// A config.json of Hugging Face's ViTForImageClassification as settings of `vit`. Throws FileError with all that no
/// setting gives; `name` is the file's.
Part vit_settings(const nlohmann::json& config, const std::string& name = "config.json");

/// `vit` (small pictures) and vit_{t,s,b,l}_{14,16,32}, vit_h_14.
void register_vit(ClassifierCatalog& catalog);

}  // namespace hadal
