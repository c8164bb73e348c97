// PatchTST: every channel alone, cut into patches that are a transformer's tokens (Nie et al. 2023, "A Time Series is
// Worth 64 Words", arXiv:2211.14730).
#pragma once
#include "hadal/models/forecast/forecaster.h"
#include "hadal/models/forecast/series_encoder.h"
#include "hadal/nn/instance_norm.h"

namespace hadal {

/// The defaults are the published setting for the ETTh series, but for residual_attention.
struct PatchTstConfig {
  int64_t patch = 16, stride = 8;
  bool pad_end = true;
  bool instance_norm = true, affine = false;
  std::string positions = "learned";
  double head_dropout = 0;
  SeriesEncoderConfig encoder = {
      .dim = 16, .depth = 3, .heads = 4, .mlp = 128, .dropout = 0.3, .projection_dropout = 0.3};

  static Fields<PatchTstConfig> fields();
  void validate() const;
  /// How many patches `input` steps give. Throws UsageError for fewer steps than a patch.
  int64_t patches(int64_t input) const;
};

/// Patches to tokens through the encoder; what forecasts and classes come from.
struct PatchEncoderImpl : nn::Module {
  PatchEncoderImpl(const PatchTstConfig& config, int64_t input);
  /// x (N, L) -> (N, P, dim). The oldest steps that fill no patch are left out.
  Tensor forward(Tensor x);

 private:
  PatchTstConfig config_;
  Linear input_embedding_{nullptr};
  Tensor position_enc_;  // (P, dim)
  SeriesEncoder layers_{nullptr};
};
TORCH_MODULE(PatchEncoder);

/// Parameter names are those of Hugging Face's PatchTSTForPrediction.
struct PatchTstImpl : Forecaster {
  PatchTstImpl(const PatchTstConfig& config, const ForecastShape& shape);
  Tensor forward(const Tensor& history, const Tensor& calendar) override;
  bool each_channel_alone() const override { return !config_.affine; }

 private:
  ForecastShape shape_;
  PatchTstConfig config_;
  InstanceNorm norm_{nullptr};
  PatchEncoder encoder_{nullptr};
  Linear projection_{nullptr};
};
TORCH_MODULE(PatchTst);

void register_patchtst(ForecasterCatalog& catalog);

}  // namespace hadal
