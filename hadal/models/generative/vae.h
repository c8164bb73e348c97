// What a variational autoencoder is (Kingma & Welling 2013, arXiv:1312.6114), its bounds on the likelihood, and the
// catalog of all of them.
#pragma once
#include <memory>
#include <string>

#include "hadal/core/catalog.h"
#include "hadal/models/generative/generator.h"
#include "hadal/models/generative/likelihood.h"
#include "hadal/models/model.h"

namespace hadal {

/// q(z | x), a diagonal normal; (N, latent) each.
struct Posterior {
  Tensor mean, log_variance;
};

struct Vae : Model {
  /// x (N, C, H, W) in [0, 1], labels (N) int64 or undefined where there are no classes.
  virtual Posterior encode(const Tensor& x, const Tensor& labels = {}) = 0;
  /// z (N, latent) -> parameters of likelihood(), (N, parameters_of C, H, W).
  virtual Tensor decode(const Tensor& z, const Tensor& labels = {}) = 0;
  virtual Likelihood likelihood() const = 0;
  virtual int64_t latent() const = 0;
  virtual PictureShape pictures() const = 0;
  virtual int64_t classes() const { return 0; }
  /// The data's mean picture (C, H, W), before training: decoders with a bias a pixel begin at it.
  virtual void begin_at(const Tensor& /*mean*/) {}
};

/// Their configs share the names `channels`, `image`, `likelihood` and, where they have them, `classes`.
using VaeCatalog = Catalog<std::shared_ptr<Vae>>;

/// Every variational autoencoder Hadal has.
const VaeCatalog& vaes();

/// What K samples of each of N pictures give, in nats.
struct VaeTerms {
  Tensor log_x;      // (K, N): log p(x | z)
  Tensor log_ratio;  // (K, N): log p(z) - log q(z | x)
  Tensor kl;         // (N, latent): KL(q(z | x) || p(z)), exactly
};
/// noise (K, N, latent) standard normal: z = mean + deviation x noise (section 2.4).
VaeTerms vae_terms(Vae& vae, const Tensor& x, const Tensor& labels, const Tensor& noise);

/// (N): the bound on log p(x), with the exact KL: mean over K of log_x, minus kl.
Tensor elbo(const VaeTerms& terms);
/// (N): the bound of K importance samples, tighter with each (Burda et al. 2015, arXiv:1509.00519, eq. 8).
Tensor importance_bound(const VaeTerms& terms);

struct VaeLossConfig {
  double beta = 1, free_bits = 0;
  int64_t samples = 1;
  bool importance = false;

  static Fields<VaeLossConfig> fields();
  void validate() const;
};
/// The mean to be lowered, nats a picture: -log_x + beta (Higgins et al. 2017) x KL, each latent counting at least
/// free_bits nats on the batch's average (arXiv:1606.04934, eq. 15); or minus the importance-weighted bound.
Tensor vae_loss(const VaeLossConfig& config, const VaeTerms& terms);

}  // namespace hadal
