#include "hadal/models/generative/vae_conv.h"

#include "hadal/core/shape.h"
#include "hadal/models/generative/vae_layers.h"
#include "hadal/models/generative/vae_nets.h"

namespace hadal {
namespace {

nn::ELU elu() { return nn::ELU(); }

void add_blocks(nn::Sequential& net, int64_t width, int64_t count) {
  for (int64_t i = 0; i < count; ++i) net->push_back(EluBlock(width));
}

}  // namespace

Fields<ConvVaeConfig> ConvVaeConfig::fields() {
  return {{"channels", &ConvVaeConfig::channels, "colours of a pixel: 1 grey, 3 RGB", at_least(1)},
          {"image", &ConvVaeConfig::image, "side of the square picture in pixels, divisible by 4", at_least(4)},
          {"classes", &ConvVaeConfig::classes, "classes that can be asked for; 0: none", at_least(0)},
          {"width", &ConvVaeConfig::width, "channels at full size; twice as many below", at_least(1)},
          {"blocks", &ConvVaeConfig::blocks, "residual blocks a size", at_least(0)},
          {"hidden", &ConvVaeConfig::hidden, "width of the layer around the latents", at_least(1)},
          {"latent", &ConvVaeConfig::latent, "numbers that a picture is made of", at_least(1)},
          {"likelihood", &ConvVaeConfig::likelihood,
           "what the decoder says of a value; logistic and gaussian are of bytes", one_of(likelihood_names())}};
}

void ConvVaeConfig::validate() const {
  require(image % 4 == 0, "[vae-conv] image ({}) must be divisible by 4; nearest: {}", image,
          nearest_multiple(image, 4));
}

EluBlockImpl::EluBlockImpl(int64_t width) {
  conv1_ = register_module("conv1", padded_conv(width, width, 3));
  conv2_ = register_module("conv2", padded_conv(width, width, 3));
  const torch::NoGradGuard no_grad;
  conv2_->weight.mul_(0.1);
}

Tensor EluBlockImpl::forward(const Tensor& x) { return x + conv2_(torch::elu(conv1_(torch::elu(x)))); }

ConvVaeImpl::ConvVaeImpl(const ConvVaeConfig& config) : config_(config) {
  validate_config(config, "vae-conv");
  likelihood_ = likelihood_named(config.likelihood);
  const auto narrow = config.width, wide = 2 * config.width, quarter = config.image / 4;
  encoder_->push_back(padded_conv(config.channels, narrow, 3));
  add_blocks(encoder_, narrow, config.blocks);
  for (const auto in : {narrow, wide}) {
    encoder_->push_back(elu());
    encoder_->push_back(padded_conv(in, wide, 4, 2));
    add_blocks(encoder_, wide, config.blocks);
  }
  encoder_->push_back(elu());
  register_module("encoder", encoder_);
  const auto flat = wide * quarter * quarter;
  to_hidden_ = register_module("to_hidden", Linear(flat + config.classes, config.hidden));
  mean_ = register_module("mean", Linear(config.hidden, config.latent));
  log_variance_ = register_module("log_variance", Linear(config.hidden, config.latent));

  from_latent_ = register_module("from_latent", Linear(config.latent + config.classes, config.hidden));
  from_hidden_ = register_module("from_hidden", Linear(config.hidden, flat));
  for (const auto out : {wide, narrow}) {
    add_blocks(decoder_, wide, config.blocks);
    decoder_->push_back(elu());
    decoder_->push_back(doubled_conv(wide, out));
  }
  add_blocks(decoder_, narrow, config.blocks);
  decoder_->push_back(elu());
  decoder_->push_back(padded_conv(narrow, config.channels * parameters_of(likelihood_), 3));
  register_module("decoder", decoder_);
}

Posterior ConvVaeImpl::encode(const Tensor& x, const Tensor& labels) {
  expect_shape("vae-conv", x, {kAny, config_.channels, config_.image, config_.image});
  const auto features = encoder_->forward(x - 0.5).flatten(1);  // (N, 2 width image^2 / 16)
  const auto hidden = torch::elu(to_hidden_(with_class("vae-conv", features, labels, config_.classes)));
  return {mean_(hidden), log_variance_(hidden)};
}

Tensor ConvVaeImpl::decode(const Tensor& z, const Tensor& labels) {
  expect_shape("vae-conv latents", z, {kAny, config_.latent});
  const auto hidden = torch::elu(from_latent_(with_class("vae-conv", z, labels, config_.classes)));
  const auto quarter = config_.image / 4;
  return decoder_->forward(from_hidden_(hidden).view({-1, 2 * config_.width, quarter, quarter}));
}

void register_vae_conv(VaeCatalog& catalog) {
  const auto add = [&](const char* name, const char* about, const ConvVaeConfig& preset) {
    catalog.add(name, about, preset, [](const ConvVaeConfig& config) { return std::make_shared<ConvVaeImpl>(config); });
  };
  add("vae-conv", "Convolutional, residual variational autoencoder", {});
  add("vae-conv-conditional", "The same, making the class asked for", {.classes = 10});
}

}  // namespace hadal
