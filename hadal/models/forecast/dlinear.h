// DLinear: a series is cut into a moving average and the rest, each forecast by one linear layer (Zeng et al. 2023,
// "Are Transformers Effective for Time Series Forecasting?", arXiv:2205.13504). The baseline that every other model
// must beat.
#pragma once
#include "hadal/models/forecast/forecaster.h"
#include "hadal/nn/linear.h"

namespace hadal {

struct DlinearConfig {
  int64_t kernel = 25;
  bool individual = false;

  static Fields<DlinearConfig> fields();
  void validate() const;
};

/// Parameter names and first values are those of the published code.
struct DlinearImpl : Forecaster {
  DlinearImpl(const DlinearConfig& config, const ForecastShape& shape);
  Tensor forward(const Tensor& history, const Tensor& calendar) override;
  bool each_channel_alone() const override { return !config_.individual; }

 private:
  static Tensor predict(std::vector<Linear>& layers, const Tensor& part);

  ForecastShape shape_;
  DlinearConfig config_;
  std::vector<Linear> seasonal_, trend_;  // one, or one a channel
};
TORCH_MODULE(Dlinear);

void register_dlinear(ForecasterCatalog& catalog);

}  // namespace hadal
