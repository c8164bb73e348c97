#include "hadal/models/vision/cnn.h"

#include "hadal/core/shape.h"

namespace hadal {

Fields<CnnConfig> CnnConfig::fields() {
  return {
      {"classes", &CnnConfig::classes, "how many classes", at_least(1)},
      {"channels", &CnnConfig::channels, "colours of a pixel: 1 grey, 3 RGB", at_least(1)},
      {"widths", &CnnConfig::widths, "channels of each convolution; the picture is halved between them", at_least(1)},
      {"dropout", &CnnConfig::dropout, "share of activations dropped before the last layer",
       from_below(0, 1).changes(Limit::Change::always)}};
}

void CnnConfig::validate() const {
  require(!widths.empty() && widths.size() <= 12, "[cnn] widths must name 1 to 12 convolutions, got {}; example: {}",
          widths.size(), "widths=[32, 64, 128]");
}

CnnImpl::CnnImpl(const CnnConfig& config) : channels_(config.channels) {
  validate_config(config, "cnn");
  smallest_ = int64_t{1} << (config.widths.size() - 1);
  auto width = channels_;
  for (const auto next : config.widths) {
    if (!features_->is_empty()) features_->push_back(nn::MaxPool2d(2));
    features_->push_back(nn::Conv2d(nn::Conv2dOptions(width, next, 3).padding(1).bias(false)));
    features_->push_back(nn::BatchNorm2d(next));
    features_->push_back(nn::ReLU());
    width = next;
  }
  register_module("features", features_);
  dropout_ = register_module("dropout", nn::Dropout(config.dropout));
  head_ = register_module("head", Linear(width, config.classes));
}

Tensor CnnImpl::pooled(const Tensor& pixels) {
  expect_shape("cnn", pixels, {kAny, channels_, kAny, kAny});
  const auto height = pixels.size(2), width = pixels.size(3);
  require(std::min(height, width) >= smallest_,
          "[cnn] a picture of {} x {} is too small; sides of at least {} are wanted", height, width, smallest_);
  return features_->forward(pixels).mean({2, 3});  // (B, C, h, w) -> (B, C)
}

Tensor CnnImpl::forward(const Tensor& pixels) { return head_(dropout_(pooled(pixels))); }

void register_cnn(ClassifierCatalog& catalog) {
  catalog.add("cnn", "3x3 convolutions with batch norm, for small pictures", CnnConfig{},
              [](const CnnConfig& config) { return std::make_shared<CnnImpl>(config); });
}

}  // namespace hadal
