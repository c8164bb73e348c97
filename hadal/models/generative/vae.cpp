#include "hadal/models/generative/vae.h"

#include <cmath>

#include "hadal/core/shape.h"
#include "hadal/models/generative/vae_conv.h"
#include "hadal/models/generative/vae_nets.h"

namespace hadal {

const VaeCatalog& vaes() {
  static const auto catalog = [] {
    VaeCatalog made("model", "model");
    register_vae_nets(made);
    register_vae_conv(made);
    return made;
  }();
  return catalog;
}

VaeTerms vae_terms(Vae& vae, const Tensor& x, const Tensor& labels, const Tensor& noise) {
  const auto count = x.size(0);
  expect_shape("vae noise", noise, {kAny, count, vae.latent()});
  const auto samples = noise.size(0);
  const auto [mean, log_variance] = vae.encode(x, labels);
  const auto z = mean + (0.5 * log_variance).exp() * noise;  // (K, N, latent)
  const auto repeated = [&](const Tensor& rows) {            // (N, ...) -> (K N, ...)
    if (!rows.defined() || samples == 1) return rows;
    auto sizes = rows.sizes().vec();
    sizes.insert(sizes.begin(), samples);
    return rows.expand(sizes).flatten(0, 1);
  };
  const auto parameters = vae.decode(z.flatten(0, 1), repeated(labels));
  return {.log_x = log_likelihood(vae.likelihood(), parameters, repeated(x)).view({samples, count}),
          .log_ratio = 0.5 * (noise.square() + log_variance - z.square()).sum(2),
          .kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)};
}

Tensor elbo(const VaeTerms& terms) { return terms.log_x.mean(0) - terms.kl.sum(1); }

Tensor importance_bound(const VaeTerms& terms) {
  return torch::logsumexp(terms.log_x + terms.log_ratio, 0) - std::log(static_cast<double>(terms.log_x.size(0)));
}

Fields<VaeLossConfig> VaeLossConfig::fields() {
  return {{"beta", &VaeLossConfig::beta, "weight of the KL divergence; 1 is the bound on the likelihood", at_least(0)},
          {"free_bits", &VaeLossConfig::free_bits, "nats that each latent may hold for nothing", at_least(0)},
          {"samples", &VaeLossConfig::samples, "samples of the latents a picture and step", at_least(1)},
          {"importance", &VaeLossConfig::importance, "lower the importance-weighted bound of the samples (IWAE)"}};
}

void VaeLossConfig::validate() const {
  require(!importance || (beta == 1 && free_bits == 0),
          "[vae] the importance-weighted bound has no beta ({}) and no free_bits ({}); leave them at 1 and 0", beta,
          free_bits);
}

Tensor vae_loss(const VaeLossConfig& config, const VaeTerms& terms) {
  config.validate();
  if (config.importance) return -importance_bound(terms).mean();
  const auto kl = terms.kl.mean(0);  // (latent)
  return config.beta * (config.free_bits > 0 ? kl.clamp_min(config.free_bits) : kl).sum() - terms.log_x.mean();
}

}  // namespace hadal
