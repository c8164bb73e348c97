// What the forecasting task asks of a model, and the catalog of all of them.
#pragma once
#include <memory>

#include "hadal/core/catalog.h"
#include "hadal/models/model.h"

namespace hadal {

/// What data and task say about a forecast; the rest is the model's own config.
struct ForecastShape {
  int64_t channels = 1;           // C
  int64_t input = 336;            // L, steps that are seen
  int64_t horizon = 96;           // H, steps that are forecast
  int64_t outputs = 1;            // Q: 1 for a point, else the number of quantiles
  int64_t calendar_features = 0;  // F
};

struct Forecaster : Model {
  /// history (B, C, L), calendar (B, F, L + H): of the history and of the horizon -> (B, C, Q, H).
  virtual Tensor forward(const Tensor& history, const Tensor& calendar) = 0;
  /// Whether every channel is forecast by itself, with the same weights: then it takes other channels than it learned.
  virtual bool each_channel_alone() const { return false; }
};

using ForecasterCatalog = Catalog<std::shared_ptr<Forecaster>, const ForecastShape&>;

/// Every forecaster Hadal has.
const ForecasterCatalog& forecasters();

}  // namespace hadal
