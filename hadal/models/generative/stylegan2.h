// StyleGAN2 (Karras et al. 2019, arXiv:1912.04958) for small pictures: latents are mapped to styles that scale the
// weights of every convolution; noise adds what a style does not say; each size adds to the picture of the one before.
// The discriminator is residual and looks at the spread within a batch.
#pragma once
#include "hadal/models/generative/generator.h"

namespace hadal {

struct Stylegan2Config {
  int64_t channels = 1, image = 28, classes = 0, latent = 64, mapping = 2, width = 512, most = 64, group = 4;

  static Fields<Stylegan2Config> fields();
  void validate() const;
  /// Sides from the coarsest on: 7, 14, 28 or 4, 8, 16, ...
  std::vector<int64_t> sides() const;
  /// width / side, `most` at most.
  int64_t features(int64_t side) const;
};

/// Modules: mapping (embed, fc0, ...), synthesis (b7, b14, ... with const, conv0, conv1, torgb). While training noise
/// comes from LibTorch's generator; in eval mode it is a buffer, so that a picture follows from its latents alone.
struct Stylegan2GeneratorImpl : Generator {
  explicit Stylegan2GeneratorImpl(const Stylegan2Config& config);
  Tensor make(const Tensor& z, const Tensor& labels = {}) override;
  /// Path lengths are of the styles: latents are (N, 1, latent).
  TracedPictures make_traced(const Tensor& z, const Tensor& labels = {}) override;
  int64_t latent() const override { return config_.latent; }
  PictureShape pictures() const override { return {config_.channels, config_.image, config_.image}; }
  int64_t classes() const override { return config_.classes; }

 private:
  Tensor style(const Tensor& z, const Tensor& labels);
  Tensor draw(const Tensor& style);

  Stylegan2Config config_;
  std::shared_ptr<nn::Module> mapping_, synthesis_;
};
TORCH_MODULE(Stylegan2Generator);

/// Modules: b28, b14 (fromrgb of the first, conv0, conv1, skip), b7 (conv, fc, out), embed.
struct Stylegan2DiscriminatorImpl : Discriminator {
  explicit Stylegan2DiscriminatorImpl(const Stylegan2Config& config);
  Tensor judge(const Tensor& pictures, const Tensor& labels = {}) override;

 private:
  Stylegan2Config config_;
};
TORCH_MODULE(Stylegan2Discriminator);

void register_stylegan2(GanCatalog& catalog);

}  // namespace hadal
