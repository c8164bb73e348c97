#include "hadal/models/generative/vae_nets.h"

#include <cmath>
#include <map>

#include "hadal/core/shape.h"

namespace hadal {
namespace {

/// (N, C, H, W) of the config's size as (N, D), with the class.
Tensor flat(std::string_view where, const Tensor& x, const Tensor& labels, const MlpVaeConfig& config) {
  expect_shape(where, x, {kAny, config.channels, config.image, config.image});
  return with_class(where, x.flatten(1), labels, config.classes);
}

Tensor as_parameters(const Tensor& x, const MlpVaeConfig& config, Likelihood kind) {
  return x.view({-1, parameters_of(kind) * config.channels, config.image, config.image});
}

}  // namespace

Tensor with_class(std::string_view where, const Tensor& x, const Tensor& labels, int64_t classes) {
  expect_labels(where, labels, x.size(0), classes);
  return classes == 0 ? x : torch::cat({x, torch::one_hot(labels, classes).to(x.options())}, 1);
}

void set_mean_bias(const Tensor& bias, Likelihood kind, const Tensor& mean) {
  const torch::NoGradGuard no_grad;
  const auto flat = mean.flatten();
  expect_shape("mean picture", flat, {bias.size(0) / parameters_of(kind)});
  bias.slice(0, 0, flat.size(0)).copy_(kind == Likelihood::bernoulli ? flat.clamp(1e-3, 1 - 1e-3).logit() : flat);
}

Fields<MlpVaeConfig> MlpVaeConfig::fields() {
  return {{"channels", &MlpVaeConfig::channels, "colours of a pixel: 1 grey, 3 RGB", at_least(1)},
          {"image", &MlpVaeConfig::image, "side of the square picture in pixels", at_least(1)},
          {"classes", &MlpVaeConfig::classes, "classes that can be asked for; 0: none", at_least(0)},
          {"hidden", &MlpVaeConfig::hidden, "width of the hidden layers", at_least(1)},
          {"latent", &MlpVaeConfig::latent, "numbers that a picture is made of", at_least(1)},
          {"likelihood", &MlpVaeConfig::likelihood,
           "what the decoder says of a value; logistic and gaussian are of bytes", one_of(likelihood_names())}};
}

MlpVaeImpl::MlpVaeImpl(const MlpVaeConfig& config) : config_(config) {
  validate_config(config, "vae");
  likelihood_ = likelihood_named(config.likelihood);
  fc1_ = register_module("fc1", Linear(config.values() + config.classes, config.hidden));
  fc21_ = register_module("fc21", Linear(config.hidden, config.latent));
  fc22_ = register_module("fc22", Linear(config.hidden, config.latent));
  fc3_ = register_module("fc3", Linear(config.latent + config.classes, config.hidden));
  fc4_ = register_module("fc4", Linear(config.hidden, config.values() * parameters_of(likelihood_)));
}

Posterior MlpVaeImpl::encode(const Tensor& x, const Tensor& labels) {
  const auto hidden = fc1_(flat("vae", x, labels, config_)).relu();
  return {fc21_(hidden), fc22_(hidden)};
}

Tensor MlpVaeImpl::decode(const Tensor& z, const Tensor& labels) {
  expect_shape("vae latents", z, {kAny, config_.latent});
  return as_parameters(fc4_(fc3_(with_class("vae", z, labels, config_.classes)).relu()), config_, likelihood_);
}

void MlpVaeImpl::begin_at(const Tensor& mean) { set_mean_bias(fc4_->bias, likelihood_, mean); }

IwaeImpl::IwaeImpl(const MlpVaeConfig& config) : config_(config) {
  validate_config(config, "iwae");
  likelihood_ = likelihood_named(config.likelihood);
  const auto layer = [](int64_t in, int64_t out) {
    Linear made(in, out);
    init::xavier_uniform(made->weight);
    init::constant(made->bias, 0);
    return made;
  };
  const auto two = [&](nn::Sequential& net, int64_t in) {
    for (const auto width : {in, config.hidden}) {
      net->push_back(layer(width, config.hidden));
      net->push_back(nn::Tanh());
    }
  };
  two(encoder_, config.values() + config.classes);
  two(decoder_, config.latent + config.classes);
  register_module("encoder", encoder_);
  mean_ = register_module("mean", layer(config.hidden, config.latent));
  log_variance_ = register_module("log_variance", layer(config.hidden, config.latent));
  last_ = layer(config.hidden, config.values() * parameters_of(likelihood_));
  decoder_->push_back(last_);
  register_module("decoder", decoder_);
}

Posterior IwaeImpl::encode(const Tensor& x, const Tensor& labels) {
  const auto hidden = encoder_->forward(flat("iwae", x, labels, config_));
  return {mean_(hidden), log_variance_(hidden)};
}

Tensor IwaeImpl::decode(const Tensor& z, const Tensor& labels) {
  expect_shape("iwae latents", z, {kAny, config_.latent});
  return as_parameters(decoder_->forward(with_class("iwae", z, labels, config_.classes)), config_, likelihood_);
}

void IwaeImpl::begin_at(const Tensor& mean) { set_mean_bias(last_->bias, likelihood_, mean); }

Table vae_settings(const TensorsByName& weights) {
  const std::map<std::string, Tensor> named(weights.begin(), weights.end());
  const auto matrix = [&](const char* name) {
    const auto found = named.find(name);
    return found != named.end() && found->second.dim() == 2 ? found->second : Tensor();
  };
  const auto in = matrix("fc1.weight"), mean = matrix("fc21.weight"), out = matrix("fc4.weight");
  if (!in.defined() || !mean.defined() || !out.defined() || !named.contains("fc22.weight")) return {};
  const auto values = out.size(0), classes = in.size(1) - values;
  const auto side = [&](int64_t channels) {
    const auto root = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(values / channels))));
    return channels * root * root == values ? root : 0;
  };
  const int64_t channels = side(1) > 0 ? 1 : 3;
  if (side(channels) == 0 || classes < 0) return {};
  return {{"channels", channels},
          {"image", side(channels)},
          {"classes", classes},
          {"hidden", in.size(0)},
          {"latent", mean.size(0)}};
}

void register_vae_nets(VaeCatalog& catalog) {
  const auto mlp = [](const MlpVaeConfig& config) { return std::make_shared<MlpVaeImpl>(config); };
  catalog.add("vae", "Variational autoencoder with one hidden layer, as PyTorch's example", MlpVaeConfig{}, mlp);
  catalog.add("vae-conditional", "The same, making the class asked for", MlpVaeConfig{.classes = 10}, mlp);
  catalog.add("iwae", "The two-layer net of importance-weighted autoencoders",
              MlpVaeConfig{.hidden = 200, .latent = 50},
              [](const MlpVaeConfig& config) { return std::make_shared<IwaeImpl>(config); });
}

}  // namespace hadal
