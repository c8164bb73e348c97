#include "hadal/models/vision/mlp.h"

#include "hadal/core/shape.h"

namespace hadal {

Fields<MlpConfig> MlpConfig::fields() {
  return {{"classes", &MlpConfig::classes, "how many classes", at_least(1)},
          {"channels", &MlpConfig::channels, "colours of a pixel: 1 grey, 3 RGB", at_least(1)},
          {"image", &MlpConfig::image, "side of the square picture in pixels", at_least(1)},
          {"hidden", &MlpConfig::hidden, "width of each hidden layer", at_least(1)},
          {"dropout", &MlpConfig::dropout, "share of activations dropped after each hidden layer",
           from_below(0, 1).changes(Limit::Change::always)}};
}

MlpImpl::MlpImpl(const MlpConfig& config) : channels_(config.channels), image_(config.image) {
  validate_config(config, "mlp");
  auto width = channels_ * image_ * image_;
  for (const auto next : config.hidden) {
    hidden_->push_back(Linear(width, next));
    hidden_->push_back(nn::ReLU());
    hidden_->push_back(nn::Dropout(config.dropout));
    width = next;
  }
  register_module("hidden", hidden_);
  head_ = register_module("head", Linear(width, config.classes));
}

Tensor MlpImpl::pooled(const Tensor& pixels) {
  expect_shape("mlp", pixels, {kAny, channels_, image_, image_});
  const auto flat = pixels.flatten(1);  // (B, channels image image)
  return hidden_->is_empty() ? flat : hidden_->forward(flat);
}

Tensor MlpImpl::forward(const Tensor& pixels) { return head_(pooled(pixels)); }

void register_mlp(ClassifierCatalog& catalog) {
  catalog.add("mlp", "Fully connected layers on the pixels", MlpConfig{},
              [](const MlpConfig& config) { return std::make_shared<MlpImpl>(config); });
}

}  // namespace hadal
