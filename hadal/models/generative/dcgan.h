// DCGAN (Radford, Metz & Chintala 2015, arXiv:1511.06434): transposed convolutions up to a picture, convolutions down
// to one number; by class where `classes` is set.
#pragma once
#include "hadal/models/generative/generator.h"
#include "hadal/nn/embedding.h"

namespace hadal {

struct DcganConfig {
  int64_t channels = 1, image = 28, classes = 0, latent = 100, width = 64;
  std::string norm = "batch";  // of the discriminator

  static Fields<DcganConfig> fields();
  void validate() const;
  /// The side that the first layer makes (4, or 7 for 28 pixels), and how often it is doubled.
  int64_t first_side() const;
  int64_t doublings() const;
};

/// Modules: main, numbered as in PyTorch's example (main.0.weight of the first convolution, main.1 its norm, ...), and
/// embed (classes, latent) where there are classes: the noise is multiplied by what it gives. Joined to it, the class
/// alone soon decides, and a class has one picture.
struct DcganGeneratorImpl : Generator {
  explicit DcganGeneratorImpl(const DcganConfig& config);
  Tensor make(const Tensor& z, const Tensor& labels = {}) override;
  int64_t latent() const override { return config_.latent; }
  PictureShape pictures() const override { return {config_.channels, config_.image, config_.image}; }
  int64_t classes() const override { return config_.classes; }

 private:
  DcganConfig config_;
  nn::Sequential main_;
  Embedding embed_{nullptr};
};
TORCH_MODULE(DcganGenerator);

/// Modules: main, numbered as in PyTorch's example whichever norm there is, and embed: the logit of a class is the
/// picture's own plus the product of the class's vector and the last features, place by place (Miyato & Koyama 2018,
/// arXiv:1802.05637, who sum over places first).
struct DcganDiscriminatorImpl : Discriminator {
  explicit DcganDiscriminatorImpl(const DcganConfig& config);
  Tensor judge(const Tensor& pictures, const Tensor& labels = {}) override;

 private:
  DcganConfig config_;
  nn::Sequential main_;
  Embedding embed_{nullptr};
};
TORCH_MODULE(DcganDiscriminator);

/// What the names and shapes of weights in the layout of PyTorch's example say: the generator's sides, widths,
/// channels, latents and classes, as settings. Empty for weights of something else.
Table dcgan_settings(const TensorsByName& weights);

void register_dcgan(GanCatalog& catalog);

}  // namespace hadal
