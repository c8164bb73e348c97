#include "hadal/models/vision/mobilenet_v3.h"

#include "hadal/core/shape.h"
#include "hadal/nn/conv_norm.h"

namespace hadal {
namespace {

/// A row of the paper's tables 1 and 2.
struct Row {
  int64_t in, kernel, wide, out;
  bool squeezes, hard_swish;
  int64_t stride;
};

constexpr Row kLarge[] = {
    {16, 3, 16, 16, false, false, 1},  {16, 3, 64, 24, false, false, 2},  {24, 3, 72, 24, false, false, 1},
    {24, 5, 72, 40, true, false, 2},   {40, 5, 120, 40, true, false, 1},  {40, 5, 120, 40, true, false, 1},
    {40, 3, 240, 80, false, true, 2},  {80, 3, 200, 80, false, true, 1},  {80, 3, 184, 80, false, true, 1},
    {80, 3, 184, 80, false, true, 1},  {80, 3, 480, 112, true, true, 1},  {112, 3, 672, 112, true, true, 1},
    {112, 5, 672, 160, true, true, 2}, {160, 5, 960, 160, true, true, 1}, {160, 5, 960, 160, true, true, 1}};

constexpr Row kSmall[] = {
    {16, 3, 16, 16, true, false, 2}, {16, 3, 72, 24, false, false, 2}, {24, 3, 88, 24, false, false, 1},
    {24, 5, 96, 40, true, true, 2},  {40, 5, 240, 40, true, true, 1},  {40, 5, 240, 40, true, true, 1},
    {40, 5, 120, 48, true, true, 1}, {48, 5, 144, 48, true, true, 1},  {48, 5, 288, 96, true, true, 2},
    {96, 5, 576, 96, true, true, 1}, {96, 5, 576, 96, true, true, 1}};

/// The nearest multiple of 8 that is not more than a tenth smaller, as all MobileNets round their channels.
int64_t rounded(double channels) {
  const auto near = std::max<int64_t>(8, static_cast<int64_t>(channels + 4) / 8 * 8);
  return static_cast<double>(near) < 0.9 * channels ? near + 8 : near;
}

/// The rows with their channels times the multiplier.
std::vector<Row> rows_of(const MobileNetV3Config& config) {
  std::vector<Row> rows(config.large ? std::begin(kLarge) : std::begin(kSmall),
                        config.large ? std::end(kLarge) : std::end(kSmall));
  for (auto& row : rows)
    for (auto* channels : {&row.in, &row.wide, &row.out})
      *channels = rounded(static_cast<double>(*channels) * config.width_multiplier);
  return rows;
}

/// Squeeze and excitation (Hu et al. 2018, arXiv:1709.01507) with a hard sigmoid.
struct SqueezeImpl : nn::Module {
  explicit SqueezeImpl(int64_t channels) {
    const auto few = rounded(static_cast<double>(channels / 4));
    fc1_ = register_module("fc1", nn::Conv2d(nn::Conv2dOptions(channels, few, 1)));
    fc2_ = register_module("fc2", nn::Conv2d(nn::Conv2dOptions(few, channels, 1)));
  }
  Tensor forward(const Tensor& x) { return x * torch::hardsigmoid(fc2_(fc1_(x.mean({2, 3}, true)).relu())); }

 private:
  nn::Conv2d fc1_{nullptr}, fc2_{nullptr};
};
TORCH_MODULE(Squeeze);

struct InvertedResidualImpl : nn::Module {
  InvertedResidualImpl(const Row& row, const MobileNetV3Config& config)
      : around_(row.stride == 1 && row.in == row.out) {
    const auto activation = row.hard_swish ? Activation::hard_swish : Activation::relu;
    const auto add = [&](int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups, Activation then) {
      block_->push_back(ConvNorm(ConvNormShape{.in = in,
                                               .out = out,
                                               .kernel = kernel,
                                               .stride = stride,
                                               .groups = groups,
                                               .activation = then,
                                               .eps = config.norm_eps,
                                               .momentum = config.norm_momentum}));
    };
    if (row.wide != row.in) add(row.in, row.wide, 1, 1, 1, activation);
    add(row.wide, row.wide, row.kernel, row.stride, row.wide, activation);
    if (row.squeezes) block_->push_back(Squeeze(row.wide));
    add(row.wide, row.out, 1, 1, 1, Activation::none);
    register_module("block", block_);
  }
  Tensor forward(const Tensor& x) {
    const auto y = block_->forward(x);
    return around_ ? y + x : y;
  }

 private:
  bool around_;
  nn::Sequential block_;
};
TORCH_MODULE(InvertedResidual);

Tensor hard_swish(const Tensor& x) { return torch::hardswish(x); }

}  // namespace

Fields<MobileNetV3Config> MobileNetV3Config::fields() {
  using C = MobileNetV3Config;
  return {{"classes", &C::classes, "how many classes", at_least(1)},
          {"channels", &C::channels, "colours of a pixel: 1 grey, 3 RGB", at_least(1)},
          {"large", &C::large, "the paper's table 1 instead of table 2"},
          {"width_multiplier", &C::width_multiplier, "times the channels of every layer", above(0)},
          {"dropout", &C::dropout, "share of activations dropped before the last layer", from_below(0, 1)},
          {"norm_eps", &C::norm_eps, "added to a channel's variance", at_least(0)},
          {"norm_momentum", &C::norm_momentum, "share of a new batch in the running statistics", between(0, 1)}};
}

nn::Sequential mobilenet_v3_features(const MobileNetV3Config& config) {
  validate_config(config, "mobilenet_v3");
  const auto rows = rows_of(config);
  nn::Sequential features;
  const auto add = [&](int64_t in, int64_t out, int64_t kernel, int64_t stride) {
    features->push_back(ConvNorm(ConvNormShape{.in = in,
                                               .out = out,
                                               .kernel = kernel,
                                               .stride = stride,
                                               .activation = Activation::hard_swish,
                                               .eps = config.norm_eps,
                                               .momentum = config.norm_momentum}));
  };
  add(config.channels, rows.front().in, 3, 2);
  for (const auto& row : rows) features->push_back(InvertedResidual(row, config));
  add(rows.back().out, 6 * rows.back().out, 1, 1);
  if (!WithoutInit::active())
    for (const auto& child : features->modules(false))
      if (auto* layer = child->as<nn::Conv2d>()) {
        init::kaiming_normal(layer->weight, true);
        if (layer->bias.defined()) init::constant(layer->bias, 0);
      }
  return features;
}

std::vector<MobileNetV3Stage> mobilenet_v3_stages(const MobileNetV3Config& config) {
  const auto rows = rows_of(config);
  std::vector<MobileNetV3Stage> stages{{0, rows.front().in}};
  for (size_t i = 0; i < rows.size(); ++i)
    if (rows[i].stride > 1) stages.push_back({static_cast<int64_t>(i) + 1, rows[i].out});
  stages.push_back({static_cast<int64_t>(rows.size()) + 1, 6 * rows.back().out});
  return stages;
}

MobileNetV3Impl::MobileNetV3Impl(const MobileNetV3Config& config) : channels_(config.channels) {
  features_ = register_module("features", mobilenet_v3_features(config));
  const auto last = rounded((config.large ? 1280 : 1024) * config.width_multiplier);
  const Linear first(mobilenet_v3_stages(config).back().channels, last), second(last, config.classes);
  for (const auto& layer : {first, second}) {
    init::normal(layer->weight, 0.01);
    init::constant(layer->bias, 0);
  }
  classifier_->push_back(first);
  classifier_->push_back(nn::Functional(hard_swish));
  classifier_->push_back(nn::Dropout(config.dropout));
  classifier_->push_back(second);
  register_module("classifier", classifier_);
}

Tensor MobileNetV3Impl::pooled(const Tensor& pixels) {
  expect_shape("mobilenet_v3", pixels, {kAny, channels_, kAny, kAny});
  return features_->forward(pixels).mean({2, 3});
}

Tensor MobileNetV3Impl::forward(const Tensor& pixels) { return classifier_->forward(pooled(pixels)); }

void register_mobilenet_v3(ClassifierCatalog& catalog) {
  const auto add = [&](const char* name, const char* about, bool large) {
    catalog.add(name, about, MobileNetV3Config{.large = large},
                [](const MobileNetV3Config& config) { return std::make_shared<MobileNetV3Impl>(config); });
  };
  add("mobilenet_v3_large", "MobileNetV3, large", true);
  add("mobilenet_v3_small", "MobileNetV3, small", false);
}

}  // namespace hadal
