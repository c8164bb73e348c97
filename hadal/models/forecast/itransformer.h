// iTransformer: every channel's whole history is one token, and attention goes over channels (Liu et al. 2024,
// arXiv:2310.06625). Each calendar feature is a token too.
#pragma once
#include "hadal/models/forecast/forecaster.h"
#include "hadal/models/forecast/series_encoder.h"
#include "hadal/nn/instance_norm.h"

namespace hadal {

struct ItransformerConfig {
  bool instance_norm = true, calendar = true;
  SeriesEncoderConfig encoder = {
      .dim = 256, .depth = 2, .heads = 8, .mlp = 256, .dropout = 0.1, .attention_dropout = 0.1, .norm = "layer"};

  static Fields<ItransformerConfig> fields();
  void validate() const { encoder.validate(); }
};

struct ItransformerImpl : Forecaster {
  ItransformerImpl(const ItransformerConfig& config, const ForecastShape& shape);
  Tensor forward(const Tensor& history, const Tensor& calendar) override;

 private:
  ForecastShape shape_;
  ItransformerConfig config_;
  InstanceNorm instance_{nullptr};
  Linear embedding_{nullptr}, projection_{nullptr};
  SeriesEncoder layers_{nullptr};
  TokenNorm norm_{nullptr};
};
TORCH_MODULE(Itransformer);

void register_itransformer(ForecasterCatalog& catalog);

}  // namespace hadal
