// The plain pair of fully connected nets: latents -> 256 -> 512 -> pixels, with LeakyReLU, BatchNorm and tanh, and
// pixels -> 512 -> 256 -> 1 (in the manner of Goodfellow et al. 2014, arXiv:1406.2661).
#pragma once
#include "hadal/models/generative/generator.h"

namespace hadal {

struct MissionGanConfig {
  int64_t channels = 1, image = 28, latent = 100;
  std::vector<int64_t> hidden = {256, 512};
  double slope = 0.2;

  static Fields<MissionGanConfig> fields();
  void validate() const;
};

/// Modules: main, a Sequential of Linear, LeakyReLU and BatchNorm1d, so that the weights are main.0.weight, main.2.bias
/// (the norm) and so on. The norm stands behind the rectifier.
struct MissionGeneratorImpl : Generator {
  explicit MissionGeneratorImpl(const MissionGanConfig& config);
  Tensor make(const Tensor& z, const Tensor& labels = {}) override;
  int64_t latent() const override { return config_.latent; }
  PictureShape pictures() const override { return {config_.channels, config_.image, config_.image}; }

 private:
  MissionGanConfig config_;
  nn::Sequential main_;
};
TORCH_MODULE(MissionGenerator);

/// The mirror image without norms; its answers are logits, before any sigmoid.
struct MissionDiscriminatorImpl : Discriminator {
  explicit MissionDiscriminatorImpl(const MissionGanConfig& config);
  Tensor judge(const Tensor& pictures, const Tensor& labels = {}) override;

 private:
  MissionGanConfig config_;
  nn::Sequential main_;
};
TORCH_MODULE(MissionDiscriminator);

void register_mission_gan(GanCatalog& catalog);

}  // namespace hadal
