#include "hadal/models/forecast/step_encoder.h"

#include "hadal/core/shape.h"
#include "hadal/ops/tokens.h"

namespace hadal {

Fields<StepEncoderConfig> StepEncoderConfig::fields() {
  using C = StepEncoderConfig;
  return {{"instance_norm", &C::instance_norm, "see every window at mean 0 and deviation 1"},
          {"calendar", &C::calendar, "a token knows its date"},
          {"last", &C::last, "how many of the last tokens the forecast comes from", at_least(1)},
          {"encoder", &C::encoder, "the transformer"}};
}

StepEncoderImpl::StepEncoderImpl(const StepEncoderConfig& config, const ForecastShape& shape)
    : shape_(shape), config_(config), last_(std::min(config.last, shape.input)), instance_(shape.channels) {
  validate_config(config, "step_encoder");
  const auto dim = config.encoder.dim;
  const auto width = shape.channels + (config.calendar ? shape.calendar_features : 0);
  embedding_ = register_module("embedding", Linear(width, dim));
  positions_ = register_parameter("positions", torch::empty({shape.input, dim}));
  init::normal(positions_, 0.02);
  layers_ = register_module("layers", SeriesEncoder(config.encoder));
  projection_ = register_module("projection", Linear(dim * last_, shape.channels * shape.horizon * shape.outputs));
}

Tensor StepEncoderImpl::forward(const Tensor& history, const Tensor& calendar) {
  expect_shape("encoder", history, {kAny, shape_.channels, shape_.input});
  auto x = history;
  InstanceNormImpl::Statistics was;
  if (config_.instance_norm) std::tie(x, was) = instance_->normalise(history);
  if (config_.calendar && shape_.calendar_features > 0)
    x = torch::cat({x, calendar.slice(2, 0, shape_.input)}, 1);  // (B, C + F, L)
  auto tokens = embedding_(x.transpose(1, 2).contiguous()) + positions_;
  tokens = layers_(dropped(tokens, config_.encoder.dropout, is_training()));  // (B, L, dim)
  const auto y = projection_(tokens.slice(1, -last_).flatten(1))
                     .view({history.size(0), shape_.channels, shape_.outputs, shape_.horizon});
  return config_.instance_norm ? instance_->restore(y, was) : y;
}

void register_step_encoder(ForecasterCatalog& catalog) {
  catalog.add("encoder", "a plain transformer over time steps", StepEncoderConfig{},
              [](const StepEncoderConfig& config, const ForecastShape& shape) {
                return std::make_shared<StepEncoderImpl>(config, shape);
              });
}

}  // namespace hadal
