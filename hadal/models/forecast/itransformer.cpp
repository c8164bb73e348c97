#include "hadal/models/forecast/itransformer.h"

#include "hadal/core/shape.h"
#include "hadal/ops/tokens.h"

namespace hadal {

Fields<ItransformerConfig> ItransformerConfig::fields() {
  using C = ItransformerConfig;
  return {{"instance_norm", &C::instance_norm, "see every window at mean 0 and deviation 1"},
          {"calendar", &C::calendar, "calendar features are tokens too"},
          {"encoder", &C::encoder, "the transformer"}};
}

ItransformerImpl::ItransformerImpl(const ItransformerConfig& config, const ForecastShape& shape)
    : shape_(shape), config_(config), instance_(shape.channels) {
  validate_config(config, "itransformer");
  embedding_ = register_module("embedding", Linear(shape.input, config.encoder.dim));
  layers_ = register_module("layers", SeriesEncoder(config.encoder));
  norm_ = register_module("norm", TokenNorm(config.encoder.dim, false));
  projection_ = register_module("projection", Linear(config.encoder.dim, shape.horizon * shape.outputs));
}

Tensor ItransformerImpl::forward(const Tensor& history, const Tensor& calendar) {
  expect_shape("itransformer", history, {kAny, shape_.channels, shape_.input});
  auto x = history;
  InstanceNormImpl::Statistics was;
  if (config_.instance_norm) std::tie(x, was) = instance_->normalise(history);
  if (config_.calendar && calendar.defined()) x = torch::cat({x, calendar.slice(2, 0, shape_.input)}, 1);
  auto tokens = dropped(embedding_(x), config_.encoder.dropout, is_training());  // (B, C + F, dim)
  tokens = norm_(layers_(tokens)).slice(1, 0, shape_.channels);
  const auto y = projection_(tokens).view({history.size(0), shape_.channels, shape_.outputs, shape_.horizon});
  return config_.instance_norm ? instance_->restore(y, was) : y;
}

void register_itransformer(ForecasterCatalog& catalog) {
  catalog.add("itransformer", "a transformer over channels, each with its whole history", ItransformerConfig{},
              [](const ItransformerConfig& config, const ForecastShape& shape) {
                return std::make_shared<ItransformerImpl>(config, shape);
              });
}

}  // namespace hadal
