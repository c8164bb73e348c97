#include "hadal/models/generative/vqvae.h"

#include "hadal/core/shape.h"
#include "hadal/models/generative/vae_layers.h"

namespace hadal {
namespace {

/// x + 1x1(relu(3x3(relu(x)))), as in section 4.1 of the paper.
struct ReluBlockImpl : nn::Module {
  explicit ReluBlockImpl(int64_t width) {
    conv1_ = register_module("conv1", padded_conv(width, width / 2, 3));
    conv2_ = register_module("conv2", padded_conv(width / 2, width, 1));
  }
  Tensor forward(const Tensor& x) { return x + conv2_(conv1_(x.relu()).relu()); }
  nn::Conv2d conv1_{nullptr}, conv2_{nullptr};
};
TORCH_MODULE(ReluBlock);

std::shared_ptr<Quantiser> make_quantiser(const VqVaeConfig& config) {
  if (config.quantiser == "fsq") return std::make_shared<Fsq>(config.levels);
  return std::make_shared<EmaCodebook>(config.codes, config.dim, config.decay, config.restart);
}

}  // namespace

Fields<VqVaeConfig> VqVaeConfig::fields() {
  return {
      {"channels", &VqVaeConfig::channels, "colours of a pixel: 1 grey, 3 RGB", at_least(1)},
      {"image", &VqVaeConfig::image, "side of the square picture in pixels", at_least(2)},
      {"width", &VqVaeConfig::width, "channels of the convolutions", at_least(2)},
      {"halvings", &VqVaeConfig::halvings, "how often the side is halved on the way to the codes", between(1, 6)},
      {"blocks", &VqVaeConfig::blocks, "residual blocks on either side of the codes", at_least(0)},
      {"quantiser", &VqVaeConfig::quantiser, "ema: a codebook of averages; fsq: finite scalars",
       one_of({"ema", "fsq"})},
      {"codes", &VqVaeConfig::codes, "ema: codes in the book", at_least(2)},
      {"dim", &VqVaeConfig::dim, "ema: numbers a code", at_least(1)},
      {"decay", &VqVaeConfig::decay, "ema: how slowly codes move", from_below(0, 1)},
      {"restart", &VqVaeConfig::restart, "ema: a code that stands for fewer vectors a batch begins anew", at_least(0)},
      {"levels", &VqVaeConfig::levels, "fsq: levels of each number of a code", at_least(2)},
      {"likelihood", &VqVaeConfig::likelihood, "what the decoder says of a value; logistic and gaussian are of bytes",
       one_of(likelihood_names())}};
}

void VqVaeConfig::validate() const {
  const auto step = int64_t{1} << halvings;
  require(image % step == 0, "[vqvae] image ({}) must be divisible by 2^halvings ({}); nearest: {}", image, step,
          nearest_multiple(image, step));
  require(!levels.empty(), "[vqvae] levels must name at least one number; example: levels=[8, 6, 5]");
}

VqVaeImpl::VqVaeImpl(const VqVaeConfig& config) : config_(config) {
  validate_config(config, "vqvae");
  likelihood_ = likelihood_named(config.likelihood);
  const auto dim = config.quantiser == "fsq" ? static_cast<int64_t>(config.levels.size()) : config.dim;
  for (int64_t i = 0; i < config.halvings; ++i) {
    encoder_->push_back(padded_conv(i == 0 ? config.channels : config.width, config.width, 4, 2));
    encoder_->push_back(nn::ReLU());
  }
  encoder_->push_back(padded_conv(config.width, config.width, 3));
  for (int64_t i = 0; i < config.blocks; ++i) encoder_->push_back(ReluBlock(config.width));
  encoder_->push_back(nn::ReLU());
  for (int64_t i = 0; i < config.blocks; ++i) decoder_->push_back(ReluBlock(config.width));
  decoder_->push_back(nn::ReLU());
  for (int64_t i = 0; i < config.halvings; ++i) {
    const bool last = i + 1 == config.halvings;
    const auto out = last ? config.channels * parameters_of(likelihood_) : config.width;
    decoder_->push_back(doubled_conv(config.width, out));
    if (!last) decoder_->push_back(nn::ReLU());
  }
  register_module("encoder", encoder_);
  to_codes_ = register_module("to_codes", padded_conv(config.width, dim, 1));
  quantiser_ = register_module("quantiser", make_quantiser(config));
  from_codes_ = register_module("from_codes", padded_conv(dim, config.width, 3));
  register_module("decoder", decoder_);
}

Tensor VqVaeImpl::features(const Tensor& x) {
  expect_shape("vqvae", x, {kAny, config_.channels, config_.image, config_.image});
  return to_codes_(encoder_->forward(x - 0.5));  // (N, D, h, w)
}

Tensor VqVaeImpl::drawn(const Tensor& features) { return decoder_->forward(from_codes_(features)); }

VqVaeOutput VqVaeImpl::forward(const Tensor& x) {
  const auto quantised = quantiser_->forward(features(x));
  return {drawn(quantised.features), quantised.codes, quantised.commitment};
}

Tensor VqVaeImpl::encode(const Tensor& x) {
  const torch::NoGradGuard no_grad;
  const bool training = quantiser_->is_training();
  quantiser_->eval();
  const auto codes = quantiser_->forward(features(x)).codes;
  quantiser_->train(training);
  return codes;
}

int64_t VqVaeImpl::dim() const { return to_codes_->options.out_channels(); }

Tensor VqVaeImpl::decode_features(const Tensor& features) {
  expect_shape("vqvae features", features, {kAny, dim(), side(), side()});
  const bool training = quantiser_->is_training();
  quantiser_->eval();  // a codebook learns from pictures alone
  const auto quantised = quantiser_->forward(features);
  quantiser_->train(training);
  return drawn(quantised.features);
}

Tensor VqVaeImpl::decode(const Tensor& codes) {
  expect_shape("vqvae codes", codes, {kAny, side(), side()});
  return drawn(quantiser_->features(codes).to(from_codes_->weight.options()).permute({0, 3, 1, 2}));
}

const VqVaeCatalog& vqvaes() {
  static const auto catalog = [] {
    VqVaeCatalog made("model", "model");
    const auto add = [&](const char* name, const char* about, const VqVaeConfig& preset) {
      made.add(name, about, preset, [](const VqVaeConfig& config) { return std::make_shared<VqVaeImpl>(config); });
    };
    add("vqvae", "A picture as a grid of codes from a book of averages", {});
    add("vqvae-fsq", "A picture as a grid of codes of finite scalars", {.quantiser = "fsq"});
    return made;
  }();
  return catalog;
}

Tensor vqvae_loss(const VqVaeImpl& model, const VqVaeOutput& out, const Tensor& x, double weight) {
  const auto values = static_cast<double>(x[0].numel());
  return weight * values * out.commitment - log_likelihood(model.likelihood(), out.parameters, x).mean();
}

}  // namespace hadal
