#include "hadal/models/forecast/series_classifier.h"

#include "hadal/core/shape.h"
#include "hadal/ops/tokens.h"

namespace hadal {

Fields<SeriesClassifierConfig> SeriesClassifierConfig::fields() {
  using C = SeriesClassifierConfig;
  return {{"patch", &C::patch, "steps of a patch", at_least(1)},
          {"stride", &C::stride, "steps from one patch to the next", at_least(1)},
          {"head_dropout", &C::head_dropout, "share dropped before the last layer",
           from_below(0, 1).changes(Limit::Change::always)},
          {"encoder", &C::encoder, "the transformer"}};
}

SeriesClassifierImpl::SeriesClassifierImpl(const SeriesClassifierConfig& config, const ClassShape& shape)
    : config_(config), shape_(shape) {
  validate_config(config, "series_classifier");
  require(shape.length >= config.patch, "[series_classifier] {} steps must be at least a patch ({})", shape.length,
          config.patch);
  const auto dim = config.encoder.dim, count = (shape.length - config.patch) / config.stride + 1;
  embedding_ = register_module("embedding", Linear(shape.channels * config.patch, dim));
  positions_ = register_parameter("positions", torch::empty({count, dim}));
  init::normal(positions_, 0.02);
  layers_ = register_module("layers", SeriesEncoder(config.encoder));
  head_ = register_module("head", Linear(dim, shape.classes));
}

Tensor SeriesClassifierImpl::pooled(const Tensor& x) {
  expect_shape("series_classifier", x, {kAny, shape_.channels, shape_.length});
  const auto patches = x.unfold(2, config_.patch, config_.stride).transpose(1, 2).flatten(2);  // (B, P, C patch)
  auto tokens = embedding_(patches) + positions_;
  tokens = layers_(dropped(tokens, config_.encoder.dropout, is_training()));
  return tokens.mean(1);
}

Tensor SeriesClassifierImpl::forward(const Tensor& x) {
  return head_(dropped(pooled(x), config_.head_dropout, is_training()));
}

const SeriesClassifierCatalog& series_classifiers() {
  static const auto catalog = [] {
    SeriesClassifierCatalog made("model", "model");
    made.add("series_classifier", "a transformer over patches of all channels, for one class a series",
             SeriesClassifierConfig{}, [](const SeriesClassifierConfig& config, const ClassShape& shape) {
               return SeriesClassifier(config, shape);
             });
    return made;
  }();
  return catalog;
}

}  // namespace hadal
