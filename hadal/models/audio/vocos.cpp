#include "hadal/models/audio/vocos.h"

#include <cmath>

#include "hadal/core/shape.h"

namespace hadal {
namespace {

constexpr double kEps = 1e-6;
constexpr double kLoudest = 1e2;  // of a bin, so that a first guess cannot drown all others

nn::Conv1d same_conv(int64_t in, int64_t out, int64_t groups = 1) {
  nn::Conv1d made(nn::Conv1dOptions(in, out, 7).padding(3).groups(groups));
  init::truncated_normal(made->weight, 0.02);
  init::constant(made->bias, 0);
  return made;
}

Linear pointwise(int64_t in, int64_t out) {
  Linear made(in, out);
  init::truncated_normal(made->weight, 0.02);
  init::constant(made->bias, 0);
  return made;
}

}  // namespace

Fields<VocosConfig> VocosConfig::fields() {
  using C = VocosConfig;
  return {
      {"bands", &C::bands, "mel bands of the spectrogram", at_least(1)},
      {"dim", &C::dim, "width between the blocks", at_least(1)},
      {"mlp", &C::mlp, "width within a block", at_least(1)},
      {"depth", &C::depth, "blocks", at_least(1)},
      {"window", &C::window, "samples of a window, the transform's points", at_least(2)},
      {"hop", &C::hop, "samples from one frame to the next, as the spectrogram has them", at_least(1)},
      {"ends", &C::ends, "center: frames lie at multiples of hop; same: each in the middle of its hop",
       one_of({"center", "same"})},
      {"scale", &C::scale, "first value of a block's share (0: 1 / depth)", at_least(0)},
      {"skip", &C::skip,
       "the bands also go straight to the magnitudes' logarithms, by a linear layer: the norms of the backbone lose "
       "how loud a frame is"}};
}

void VocosConfig::validate() const {
  require(window % 2 == 0, "[vocos] window ({}) must be even; nearest: {}", window, nearest_multiple(window, 2));
  require(2 * hop <= window, "[vocos] hop ({}) must be at most half the window ({})", hop, window);
  stft().check("vocos");
}

StftShape VocosConfig::stft() const {
  return {.window = window, .hop = hop, .ends = ends == "same" ? StftShape::Ends::same : StftShape::Ends::reflect};
}

ConvNextImpl::ConvNextImpl(int64_t dim, int64_t mlp, double scale)
    : dwconv_(same_conv(dim, dim, dim)),
      norm_(dim, kEps),
      pwconv1_(pointwise(dim, mlp)),
      pwconv2_(pointwise(mlp, dim)) {
  register_module("dwconv", dwconv_);
  register_module("norm", norm_);
  register_module("pwconv1", pwconv1_);
  register_module("pwconv2", pwconv2_);
  gamma_ = register_parameter("gamma", torch::full({dim}, scale));
}

Tensor ConvNextImpl::forward(const Tensor& x) {
  const auto tokens = norm_(dwconv_(x).transpose(1, 2));  // (B, T, dim)
  return x + (gamma_ * pwconv2_(torch::gelu(pwconv1_(tokens)))).transpose(1, 2);
}

VocosBackboneImpl::VocosBackboneImpl(const VocosConfig& config)
    : embed_(same_conv(config.bands, config.dim)), norm_(config.dim, kEps), final_layer_norm_(config.dim, kEps) {
  register_module("embed", embed_);
  register_module("norm", norm_);
  const auto scale = config.scale > 0 ? config.scale : 1 / static_cast<double>(config.depth);
  for (int64_t i = 0; i < config.depth; ++i) convnext_->push_back(ConvNext(config.dim, config.mlp, scale));
  register_module("convnext", convnext_);
  register_module("final_layer_norm", final_layer_norm_);
}

Tensor VocosBackboneImpl::forward(const Tensor& mel) {
  auto x = norm_(embed_(mel).transpose(1, 2)).transpose(1, 2);
  for (const auto& block : *convnext_) x = block->as<ConvNextImpl>()->forward(x);
  return final_layer_norm_(x.transpose(1, 2));
}

namespace {

const VocosConfig& checked(const VocosConfig& config) {
  validate_config(config, "vocos");
  return config;
}

}  // namespace

VocosImpl::VocosImpl(const VocosConfig& config)
    : config_(checked(config)), backbone_(config), out_(config.dim, config.window + 2) {
  register_module("backbone", backbone_);
  auto head = std::make_shared<nn::Module>();
  head->register_module("out", out_.ptr());
  if (config.skip) {
    skip_ = Linear(config.bands, config.window / 2 + 1);
    init::constant(skip_->weight, 0), init::constant(skip_->bias, 0);
    head->register_module("skip", skip_.ptr());
  }
  register_module("head", head);
}

Tensor VocosImpl::spectrum(const Tensor& mel) {
  expect_shape("vocos", mel, {kAny, config_.bands, kAny});
  const auto said = out_(backbone_(mel)).transpose(1, 2);
  // Transforms know no half precision. The clip stands before the exponential, where no gradient becomes infinite.
  const auto wide = said.scalar_type() == torch::kFloat64 ? said : said.to(torch::kFloat32);
  auto parts = wide.chunk(2, 1);
  if (skip_) {  // in double, which autocast leaves alone: bf16 would round a logarithm of -8 to a thirtieth
    const auto straight = torch::linear(mel.transpose(1, 2).to(torch::kFloat64), skip_->weight.to(torch::kFloat64),
                                        skip_->bias.to(torch::kFloat64));
    parts[0] = parts[0] + straight.transpose(1, 2).to(wide.scalar_type());
  }
  return torch::polar(parts[0].clamp_max(std::log(kLoudest)).exp(), parts[1]);
}

Tensor VocosImpl::forward(const Tensor& mel) {
  const auto made = spectrum(mel);
  if (config_.ends == "center" && made.size(2) < 2) fail("[vocos] wants 2 frames at least, got {}", made.size(2));
  return istft(made, config_.stft());
}

TensorsByName VocosImpl::own_names(const TensorsByName& weights) const {
  TensorsByName out;
  for (const auto& [name, tensor] : weights) {
    bool other = name == "head.istft.window";
    for (const auto* prefix : {"feature_extractor.", "multiperioddisc.", "multiresddisc.", "melspec_loss."})
      other = other || name.starts_with(prefix);
    if (!other) out.emplace_back(name, tensor);
  }
  return out;
}

const VocoderCatalog& vocoders() {
  static const auto catalog = [] {
    VocoderCatalog made("model", "model");
    const auto add = [&](const char* name, const char* about, const VocosConfig& preset) {
      made.add(name, about, preset, [](const VocosConfig& config) { return std::make_shared<VocosImpl>(config); });
    };
    add("vocos", "Vocos for 24,000 samples a second, as published", {});
    add("vocos-8khz", "A small Vocos for speech of 8,000 samples a second",
        {.bands = 40, .dim = 192, .mlp = 576, .depth = 6, .window = 256, .hop = 80});
    return made;
  }();
  return catalog;
}

}  // namespace hadal
