// A plain, strong pair of residual nets (Huang et al. 2024, "The GAN is dead; long live the GAN!", arXiv:2501.05441):
// grouped bottlenecks without norms, begun so that every block first passes on what it is given. Meant for the
// relativistic loss with R1 and R2.
#pragma once
#include "hadal/models/generative/generator.h"

namespace hadal {

struct R3ganConfig {
  int64_t channels = 1, image = 28, classes = 0, latent = 64;
  std::vector<int64_t> widths = {96, 64, 32};
  int64_t blocks = 1, expansion = 2, group = 16, embedding = 32;

  static Fields<R3ganConfig> fields();
  void validate() const;
  /// The side of the coarsest stage.
  int64_t first_side() const { return image >> (widths.size() - 1); }
};

/// Names are those of the authors' program: MainLayers.0.Layers.0.Basis,
/// MainLayers.0.Layers.1.LinearLayer1.Layer.weight, NonLinearity1.Bias, AggregationLayer.Layer.weight,
/// EmbeddingLayer.weight.
struct R3ganGeneratorImpl : Generator {
  explicit R3ganGeneratorImpl(const R3ganConfig& config);
  Tensor make(const Tensor& z, const Tensor& labels = {}) override;
  int64_t latent() const override { return config_.latent; }
  PictureShape pictures() const override { return {config_.channels, config_.image, config_.image}; }
  int64_t classes() const override { return config_.classes; }

 private:
  R3ganConfig config_;
  nn::Sequential stages_;
  nn::Sequential aggregation_;
  nn::Linear embedding_{nullptr};
};
TORCH_MODULE(R3ganGenerator);

/// The same stages from fine to coarse: ExtractionLayer, MainLayers, EmbeddingLayer. The logit of a class is the
/// product of its vector and the last features.
struct R3ganDiscriminatorImpl : Discriminator {
  explicit R3ganDiscriminatorImpl(const R3ganConfig& config);
  Tensor judge(const Tensor& pictures, const Tensor& labels = {}) override;

 private:
  R3ganConfig config_;
  nn::Sequential extraction_, stages_;
  nn::Linear embedding_{nullptr};
};
TORCH_MODULE(R3ganDiscriminator);

void register_r3gan(GanCatalog& catalog);

}  // namespace hadal
