#include "hadal/models/generative/r3gan.h"

#include <cmath>

#include "hadal/core/shape.h"
#include "hadal/models/generative/resample.h"
#include "hadal/nn/init.h"

namespace hadal {
namespace {

constexpr double kLeak = 0.2;
/// What keeps the variance behind a leaky rectifier (He et al. 2015).
const double kGain = std::sqrt(2 / (1 + kLeak * kLeak));

/// N(0, gain^2 / fan_in).
template <class Layer>
Layer begun(Layer layer, double gain) {
  const auto fan_in = static_cast<double>(layer->weight[0].numel());
  init::normal(layer->weight, gain / std::sqrt(fan_in));
  return layer;
}

/// A convolution without bias, one layer of names down.
nn::Sequential scaled_conv(int64_t in, int64_t out, int64_t kernel, double gain, int64_t groups = 1) {
  nn::Sequential layer;
  layer->push_back(
      "Layer",
      begun(nn::Conv2d(nn::Conv2dOptions(in, out, kernel).padding(kernel / 2).groups(groups).bias(false)), gain));
  return layer;
}

struct BiasedActivationImpl : nn::Module {
  explicit BiasedActivationImpl(int64_t channels) { bias_ = register_parameter("Bias", torch::zeros({channels})); }
  Tensor forward(const Tensor& x) { return torch::leaky_relu(x + bias_.view({-1, 1, 1}), kLeak); }
  Tensor bias_;
};
TORCH_MODULE(BiasedActivation);

/// 1x1 up to more channels, 3x3 in groups, 1x1 back, begun at 0, around which the input passes.
struct ResidualBlockImpl : nn::Module {
  ResidualBlockImpl(int64_t width, const R3ganConfig& config) {
    const auto wide = width * config.expansion;
    const auto blocks = static_cast<double>(config.blocks * static_cast<int64_t>(config.widths.size()));
    const auto gain = kGain * std::pow(blocks, -0.25);  // V^(-1 / (2 m - 2)) for V blocks of m = 3 layers
    first_ = register_module("LinearLayer1", scaled_conv(width, wide, 1, gain));
    second_ = register_module("LinearLayer2", scaled_conv(wide, wide, 3, gain, wide / config.group));
    third_ = register_module("LinearLayer3", scaled_conv(wide, width, 1, 0));
    one_ = register_module("NonLinearity1", BiasedActivation(wide));
    two_ = register_module("NonLinearity2", BiasedActivation(wide));
  }
  Tensor forward(const Tensor& x) { return x + third_->forward(two_(second_->forward(one_(first_->forward(x))))); }
  nn::Sequential first_, second_, third_;
  BiasedActivation one_{nullptr}, two_{nullptr};
};
TORCH_MODULE(ResidualBlock);

/// Twice or half the size, and other channels where they change: up has its 1x1 before, down behind the filter.
struct ResizeImpl : nn::Module {
  ResizeImpl(int64_t in, int64_t out, bool up) : up_(up), changes_(in != out) {
    if (changes_) linear_ = register_module("LinearLayer", scaled_conv(in, out, 1, 1));
  }
  Tensor forward(const Tensor& x) {
    const auto matched = [&](const Tensor& y) { return changes_ ? linear_->forward(y) : y; };
    return up_ ? doubled(matched(x)) : matched(halved(x));
  }
  bool up_, changes_;
  nn::Sequential linear_;
};
TORCH_MODULE(Resize);

/// A vector spread over the first feature map.
struct GenerativeBasisImpl : nn::Module {
  GenerativeBasisImpl(int64_t in, int64_t out, int64_t side) {
    basis_ = register_parameter("Basis", torch::empty({out, side, side}));
    init::normal(basis_, 1);
    linear_ = register_module("LinearLayer", begun(nn::Linear(nn::LinearOptions(in, out).bias(false)), 1));
  }
  Tensor forward(const Tensor& x) { return basis_ * linear_(x).unsqueeze(-1).unsqueeze(-1); }
  Tensor basis_;
  nn::Linear linear_{nullptr};
};
TORCH_MODULE(GenerativeBasis);

/// The last feature map, channel by channel, as a vector.
struct DiscriminativeBasisImpl : nn::Module {
  DiscriminativeBasisImpl(int64_t in, int64_t out, int64_t side) {
    basis_ = register_module("Basis", begun(nn::Conv2d(nn::Conv2dOptions(in, in, side).groups(in).bias(false)), 1));
    linear_ = register_module("LinearLayer", begun(nn::Linear(nn::LinearOptions(in, out).bias(false)), 1));
  }
  Tensor forward(const Tensor& x) { return linear_(basis_(x).flatten(1)); }
  nn::Conv2d basis_{nullptr};
  nn::Linear linear_{nullptr};
};
TORCH_MODULE(DiscriminativeBasis);

struct StageImpl : nn::Module {
  /// `enter` stands before the blocks, `leave` behind them.
  template <class Enter, class Leave>
  StageImpl(const R3ganConfig& config, int64_t width, const Enter& enter, const Leave& leave) {
    enter(layers_);
    for (int64_t i = 0; i < config.blocks; ++i) layers_->push_back(ResidualBlock(width, config));
    leave(layers_);
    register_module("Layers", layers_);
  }
  Tensor forward(const Tensor& x) { return layers_->forward(x); }
  nn::Sequential layers_;
};
TORCH_MODULE(Stage);

void nothing(nn::Sequential& /*layers*/) {}

nn::Linear class_vectors(const R3ganConfig& config) {
  return begun(nn::Linear(nn::LinearOptions(config.classes, config.embedding).bias(false)), 1);
}

/// The classes' rows: what the linear layer makes of one-hot labels.
Tensor rows(const nn::Linear& vectors, const Tensor& labels) { return torch::embedding(vectors->weight.t(), labels); }

}  // namespace

Fields<R3ganConfig> R3ganConfig::fields() {
  return {{"channels", &R3ganConfig::channels, "colours of a pixel: 1 grey, 3 RGB", at_least(1)},
          {"image", &R3ganConfig::image, "side of the square picture in pixels", at_least(2)},
          {"classes", &R3ganConfig::classes, "classes that can be asked for; 0: none", at_least(0)},
          {"latent", &R3ganConfig::latent, "random numbers a picture is made of", at_least(1)},
          {"widths", &R3ganConfig::widths, "channels of each stage, the coarsest first; each doubles the side",
           at_least(1)},
          {"blocks", &R3ganConfig::blocks, "residual blocks a stage", at_least(1)},
          {"expansion", &R3ganConfig::expansion, "how many times wider a block is inside", at_least(1)},
          {"group", &R3ganConfig::group, "channels of a group of the 3x3 convolutions", at_least(1)},
          {"embedding", &R3ganConfig::embedding, "numbers that stand for a class", at_least(1)}};
}

void R3ganConfig::validate() const {
  require(!widths.empty() && widths.size() <= 10, "[r3gan] widths must name 1 to 10 stages, got {}; example: {}",
          widths.size(), "widths=[96, 64, 32]");
  const auto step = int64_t{1} << (widths.size() - 1);
  require(image % step == 0 && image / step >= 2,
          "[r3gan] image ({}) must be twice or more times {} (a side doubled by {} stages); nearest: {}", image, step,
          widths.size(), std::max(nearest_multiple(image, step), 2 * step));
  for (const auto width : widths)
    require(width * expansion % group == 0,
            "[r3gan] widths ({}) times expansion ({}) must be divisible by group ({}); nearest: {}", width, expansion,
            group, nearest_multiple(width, group));
}

R3ganGeneratorImpl::R3ganGeneratorImpl(const R3ganConfig& config) : config_(config) {
  validate_config(config, "r3gan");
  auto width = config.latent + (config.classes > 0 ? config.embedding : 0);
  for (const auto next : config.widths) {
    const bool first = stages_->is_empty();
    stages_->push_back(Stage(
        config, next,
        [&](nn::Sequential& layers) {
          if (first)
            layers->push_back(GenerativeBasis(width, next, config.first_side()));
          else
            layers->push_back(Resize(width, next, true));
        },
        nothing));
    width = next;
  }
  register_module("MainLayers", stages_);
  aggregation_ = register_module("AggregationLayer", scaled_conv(width, config.channels, 1, 1));
  if (config.classes > 0) embedding_ = register_module("EmbeddingLayer", class_vectors(config));
}

Tensor R3ganGeneratorImpl::make(const Tensor& z, const Tensor& labels) {
  auto x = checked("r3gan", z, labels);
  if (embedding_) x = torch::cat({x, rows(embedding_, labels)}, 1);
  return aggregation_->forward(stages_->forward(x));  // (N, latent) -> (N, C, H, W)
}

R3ganDiscriminatorImpl::R3ganDiscriminatorImpl(const R3ganConfig& config) : config_(config) {
  validate_config(config, "r3gan");
  extraction_ = register_module("ExtractionLayer", scaled_conv(config.channels, config.widths.back(), 1, 1));
  for (auto i = static_cast<int64_t>(config.widths.size()) - 1; i >= 0; --i) {
    const auto width = config.widths[i];
    stages_->push_back(Stage(config, width, nothing, [&](nn::Sequential& layers) {
      if (i == 0)
        layers->push_back(DiscriminativeBasis(width, config.classes > 0 ? config.embedding : 1, config.first_side()));
      else
        layers->push_back(Resize(width, config.widths[i - 1], false));
    }));
  }
  register_module("MainLayers", stages_);
  if (config.classes > 0) embedding_ = register_module("EmbeddingLayer", class_vectors(config));
}

Tensor R3ganDiscriminatorImpl::judge(const Tensor& pictures, const Tensor& labels) {
  expect_shape("r3gan", pictures, {kAny, config_.channels, config_.image, config_.image});
  expect_labels("r3gan", labels, pictures.size(0), config_.classes);
  const auto features = stages_->forward(extraction_->forward(pictures));
  return embedding_ ? (features * rows(embedding_, labels)).sum(1) : features.squeeze(1);
}

void register_r3gan(GanCatalog& catalog) {
  const auto add = [&](const char* name, const char* about, const R3ganConfig& preset) {
    catalog.add(name, about, preset, [](const R3ganConfig& config) {
      return std::make_shared<Gan>(std::make_shared<R3ganGeneratorImpl>(config),
                                   std::make_shared<R3ganDiscriminatorImpl>(config));
    });
  };
  add("r3gan", "Residual nets without norms, for the relativistic loss", {});
  add("r3gan-conditional", "R3GAN that makes the class asked for", {.classes = 10});
}

}  // namespace hadal
