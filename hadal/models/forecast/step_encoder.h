// The plain transformer encoder for series: a time step with all its channels and its calendar is a token (Vaswani et
// al. 2017, as Zhou et al. 2021, arXiv:2012.07436, embed series), and one linear layer forecasts from the last tokens.
#pragma once
#include "hadal/models/forecast/forecaster.h"
#include "hadal/models/forecast/series_encoder.h"
#include "hadal/nn/instance_norm.h"

namespace hadal {

struct StepEncoderConfig {
  bool instance_norm = true, calendar = true;
  int64_t last = 16;
  SeriesEncoderConfig encoder = {.dim = 64, .depth = 2, .heads = 4, .mlp = 128, .dropout = 0.1, .norm = "layer"};

  static Fields<StepEncoderConfig> fields();
  void validate() const { encoder.validate(); }
};

struct StepEncoderImpl : Forecaster {
  StepEncoderImpl(const StepEncoderConfig& config, const ForecastShape& shape);
  Tensor forward(const Tensor& history, const Tensor& calendar) override;

 private:
  ForecastShape shape_;
  StepEncoderConfig config_;
  int64_t last_;
  InstanceNorm instance_{nullptr};
  Linear embedding_{nullptr}, projection_{nullptr};
  Tensor positions_;  // (L, dim)
  SeriesEncoder layers_{nullptr};
};
TORCH_MODULE(StepEncoder);

void register_step_encoder(ForecasterCatalog& catalog);

}  // namespace hadal
