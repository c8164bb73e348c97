#include "hadal/models/pose/simple_baseline.h"

#include "hadal/core/shape.h"
#include "hadal/nn/init.h"
#include "hadal/nn/weight_names.h"

namespace hadal {
namespace {

constexpr int64_t kStride = 32;  // of the ResNet; each deconvolution halves it

constexpr NameRow kMmpose0[] = {{"keypoint_head.", "head."}};

/// Microsoft's, and torchvision's for the ResNet, whose classifier nobody needs.
constexpr NameRow kBare[] = {
    {"conv1.", "backbone.conv1."},         {"bn1.", "backbone.bn1."},
    {"layer#.", "backbone.layer#."},       {"deconv_layers.", "head.deconv_layers."},
    {"final_layer.", "head.final_layer."}, {"fc.", ""},
};

}  // namespace

Fields<SimpleBaselineConfig> SimpleBaselineConfig::fields() {
  using C = SimpleBaselineConfig;
  return {
      {"keypoints", &C::keypoints, "how many keypoints an object has", at_least(1).changes(Limit::Change::learning)},
      {"height", &C::height, "height of the crops that it sees", at_least(kStride).changes(Limit::Change::always)},
      {"width", &C::width, "width of the crops that it sees", at_least(kStride).changes(Limit::Change::always)},
      {"layers", &C::layers, "blocks in each of the ResNet's four stages", at_least(1)},
      {"bottleneck", &C::bottleneck, "blocks of 1x1, 3x3 and 1x1 convolutions instead of two 3x3"},
      {"deconv", &C::deconv, "channels of the three deconvolutions", at_least(1)}};
}

void SimpleBaselineConfig::validate() const {
  require(height % kStride == 0 && width % kStride == 0,
          "[simplebaseline] height and width ({}, {}) must be multiples of {}; nearest: {}, {}", height, width, kStride,
          nearest_multiple(height, kStride), nearest_multiple(width, kStride));
  require(deconv.size() == 3, "[simplebaseline] deconv must name 3 layers, got {}; example: deconv=[256, 256, 256]",
          deconv.size());
}

SimpleBaselineImpl::SimpleBaselineImpl(const SimpleBaselineConfig& config)
    : keypoints_(config.keypoints), height_(config.height), width_(config.width) {
  validate_config(config, "simplebaseline");
  backbone_ = register_module("backbone", std::make_shared<nn::Module>("backbone"));
  body_ = std::make_unique<ResNetBody>(
      *backbone_, ResNetConfig{.channels = 3, .layers = config.layers, .bottleneck = config.bottleneck});
  const auto head = register_module("head", std::make_shared<nn::Module>("head"));
  auto width = body_->widths().back();
  for (const auto following : config.deconv) {
    nn::ConvTranspose2d deconv(nn::ConvTranspose2dOptions(width, following, 4).stride(2).padding(1).bias(false));
    init::normal(deconv->weight, 0.001);
    deconv_layers_->push_back(deconv);
    deconv_layers_->push_back(nn::BatchNorm2d(following));
    deconv_layers_->push_back(nn::ReLU(nn::ReLUOptions().inplace(true)));
    width = following;
  }
  head->register_module("deconv_layers", deconv_layers_.ptr());
  final_layer_ = head->register_module("final_layer", nn::Conv2d(nn::Conv2dOptions(width, keypoints_, 1)));
  init::normal(final_layer_->weight, 0.001);
  init::constant(final_layer_->bias, 0);
}

Tensor SimpleBaselineImpl::forward(const Tensor& pixels) {
  expect_shape("simplebaseline", pixels, {kAny, 3, height_, width_});
  return final_layer_(deconv_layers_->forward(body_->features(pixels).back()));  // (N, keypoints, H / 4, W / 4)
}

PosePreparation SimpleBaselineImpl::preparation() const {
  return {.height = height_, .width = width_, .map_height = height_ / 4, .map_width = width_ / 4};
}

TensorsByName SimpleBaselineImpl::own_names(const TensorsByName& weights) const {
  return renamed(weights, {kMmpose0, kBare}, "simplebaseline");
}

void register_simple_baseline(HeatmapCatalog& catalog) {
  const auto add = [&](int depth, const std::vector<int64_t>& layers, bool bottleneck) {
    catalog.add(fmt::format("simplebaseline_resnet{}", depth),
                fmt::format("SimpleBaseline, heat maps from ResNet-{}", depth),
                SimpleBaselineConfig{.layers = layers, .bottleneck = bottleneck},
                [](const SimpleBaselineConfig& config) { return std::make_shared<SimpleBaselineImpl>(config); });
  };
  add(18, {2, 2, 2, 2}, false);
  add(34, {3, 4, 6, 3}, false);
  add(50, {3, 4, 6, 3}, true);
  add(101, {3, 4, 23, 3}, true);
  add(152, {3, 8, 36, 3}, true);
}

}  // namespace hadal
