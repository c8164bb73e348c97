#include "hadal/models/forecast/dlinear.h"

#include "hadal/core/shape.h"

namespace hadal {

Fields<DlinearConfig> DlinearConfig::fields() {
  using C = DlinearConfig;
  return {{"kernel", &C::kernel, "steps of the moving average, an odd number", at_least(1)},
          {"individual", &C::individual, "every channel has linear layers of its own"}};
}

void DlinearConfig::validate() const {
  require(kernel % 2 == 1, "[dlinear] kernel ({}) must be odd; nearest: {}", kernel, kernel + 1);
}

DlinearImpl::DlinearImpl(const DlinearConfig& config, const ForecastShape& shape) : shape_(shape), config_(config) {
  validate_config(config, "dlinear");
  const auto add = [&](const std::string& name, std::vector<Linear>& layers) {
    const auto make = [&] { return Linear(shape.input, shape.horizon * shape.outputs); };
    if (!config.individual) {
      layers.push_back(register_module(name, make()));
      return;
    }
    nn::ModuleList list;
    for (int64_t c = 0; c < shape.channels; ++c) list->push_back(layers.emplace_back(make()));
    register_module(name, list);
  };
  add("Linear_Seasonal", seasonal_);
  add("Linear_Trend", trend_);
}

Tensor DlinearImpl::predict(std::vector<Linear>& layers, const Tensor& part) {
  if (layers.size() == 1) return layers[0]->forward(part);
  std::vector<Tensor> channels;
  for (size_t c = 0; c < layers.size(); ++c)
    channels.push_back(layers[c]->forward(part.select(1, static_cast<int64_t>(c))));
  return torch::stack(channels, 1);
}

Tensor DlinearImpl::forward(const Tensor& history, const Tensor&) {
  expect_shape("dlinear", history, {kAny, shape_.channels, shape_.input});
  const auto side = (config_.kernel - 1) / 2;
  const auto padded = torch::cat(
      {history.slice(2, 0, 1).expand({-1, -1, side}), history, history.slice(2, -1).expand({-1, -1, side})}, 2);
  const auto trend = torch::avg_pool1d(padded, config_.kernel, 1);  // (B, C, L)
  return (predict(seasonal_, history - trend) + predict(trend_, trend))
      .view({history.size(0), shape_.channels, shape_.outputs, shape_.horizon});
}

void register_dlinear(ForecasterCatalog& catalog) {
  catalog.add("dlinear", "moving average and rest, a linear layer each", DlinearConfig{},
              [](const DlinearConfig& config, const ForecastShape& shape) {
                return std::make_shared<DlinearImpl>(config, shape);
              });
}

}  // namespace hadal
