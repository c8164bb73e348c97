// A convolutional, residual variational autoencoder in the manner of Kingma et al. 2016 (arXiv:1606.04934, section
// C.1): two halvings on the way to the latents, two doublings on the way back.
#pragma once
#include "hadal/models/generative/vae.h"
#include "hadal/nn/linear.h"

namespace hadal {

struct ConvVaeConfig {
  int64_t channels = 1, image = 28, classes = 0, width = 16, blocks = 1, hidden = 256, latent = 32;
  std::string likelihood = "bernoulli";

  static Fields<ConvVaeConfig> fields();
  void validate() const;
  PictureShape pictures() const { return {channels, image, image}; }
};

/// x + conv(elu(conv(elu(x)))), 3x3, the second convolution begun near 0. Modules: conv1, conv2.
struct EluBlockImpl : nn::Module {
  explicit EluBlockImpl(int64_t width);
  Tensor forward(const Tensor& x);

 private:
  nn::Conv2d conv1_{nullptr}, conv2_{nullptr};
};
TORCH_MODULE(EluBlock);

/// Modules: encoder, to_hidden, mean, log_variance; from_latent, from_hidden, decoder. A class is joined to the hidden
/// features and to the latents.
struct ConvVaeImpl : Vae {
  explicit ConvVaeImpl(const ConvVaeConfig& config);
  Posterior encode(const Tensor& x, const Tensor& labels = {}) override;
  Tensor decode(const Tensor& z, const Tensor& labels = {}) override;
  Likelihood likelihood() const override { return likelihood_; }
  int64_t latent() const override { return config_.latent; }
  PictureShape pictures() const override { return config_.pictures(); }
  int64_t classes() const override { return config_.classes; }

 private:
  ConvVaeConfig config_;
  Likelihood likelihood_;
  nn::Sequential encoder_, decoder_;
  Linear to_hidden_{nullptr}, mean_{nullptr}, log_variance_{nullptr}, from_latent_{nullptr}, from_hidden_{nullptr};
};
TORCH_MODULE(ConvVae);

void register_vae_conv(VaeCatalog& catalog);

}  // namespace hadal
