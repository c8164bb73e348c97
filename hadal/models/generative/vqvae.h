// A picture as a small grid of codes, and back (VQ-VAE, van den Oord et al. 2017, arXiv:1711.00937), by a codebook of
// averages or by finite scalars (FSQ). A prior over the codes makes new pictures of it.
#pragma once
#include "hadal/models/generative/likelihood.h"
#include "hadal/models/generative/quantise.h"
#include "hadal/models/generative/vae.h"

namespace hadal {

struct VqVaeConfig {
  int64_t channels = 1, image = 28, width = 64, halvings = 2, blocks = 2;
  std::string quantiser = "ema";
  int64_t codes = 256, dim = 32;            // ema
  double decay = 0.99, restart = 0.1;       // ema
  std::vector<int64_t> levels = {8, 6, 5};  // fsq
  std::string likelihood = "bernoulli";

  static Fields<VqVaeConfig> fields();
  void validate() const;
};

struct VqVaeOutput {
  Tensor parameters;  // of the likelihood, (N, parameters_of C, H, W)
  Tensor codes;       // (N, h, w) int64
  Tensor commitment;  // scalar
};

/// Modules: encoder, to_codes, quantiser, from_codes, decoder.
struct VqVaeImpl : Model {
  explicit VqVaeImpl(const VqVaeConfig& config);
  /// x (N, C, H, W) in [0, 1]. While training an EMA codebook moves with it.
  VqVaeOutput forward(const Tensor& x);
  /// (N, h, w) int64, without moving any codebook.
  Tensor encode(const Tensor& x);
  /// codes (N, h, w) -> parameters of the likelihood
  Tensor decode(const Tensor& codes);
  /// x in [0, 1] -> (N, dim(), h, w) before they become codes; and such features, through their nearest codes, to
  /// parameters of the likelihood.
  Tensor features(const Tensor& x);
  Tensor decode_features(const Tensor& features);
  int64_t codes() const { return quantiser_->size(); }
  int64_t dim() const;
  /// Rows and columns of the grid of codes.
  int64_t side() const { return config_.image >> config_.halvings; }
  Likelihood likelihood() const { return likelihood_; }
  PictureShape pictures() const { return {config_.channels, config_.image, config_.image}; }

 private:
  Tensor drawn(const Tensor& features);

  VqVaeConfig config_;
  Likelihood likelihood_;
  nn::Sequential encoder_, decoder_;
  nn::Conv2d to_codes_{nullptr}, from_codes_{nullptr};
  std::shared_ptr<Quantiser> quantiser_;
};
TORCH_MODULE(VqVae);

using VqVaeCatalog = Catalog<std::shared_ptr<VqVaeImpl>>;
const VqVaeCatalog& vqvaes();

/// What is lowered: -log p(x | codes), nats a picture, plus `weight` x values a picture x commitment.
Tensor vqvae_loss(const VqVaeImpl& model, const VqVaeOutput& out, const Tensor& x, double weight = 0.25);

}  // namespace hadal
