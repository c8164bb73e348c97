// The transformer encoder of the series models: PatchTST's (Nie et al. 2023, arXiv:2211.14730), of which iTransformer's
// and the plain one are settings. Names are those of Hugging Face's PatchTST.
#pragma once
#include <string>
#include <vector>

#include "hadal/core/config.h"
#include "hadal/nn/linear.h"

namespace hadal {

struct SeriesEncoderConfig {
  int64_t dim = 128, depth = 3, heads = 16, mlp = 256;
  double dropout = 0.2;           // of the tokens, inside the MLP and behind both halves of a layer
  double projection_dropout = 0;  // behind attention, besides `dropout`
  double attention_dropout = 0;
  std::string norm = "batch";  // over all tokens of a batch, or "layer"
  bool pre_norm = false;
  bool residual_attention = false;  // scores are added to those of the layer before (He et al. 2020, arXiv:2012.11747)

  static Fields<SeriesEncoderConfig> fields();
  void validate() const;
};

/// Normalises tokens (R, dim).
struct TokenNormImpl : nn::Module {
  TokenNormImpl(int64_t dim, bool batch);
  Tensor forward(const Tensor& x);

 private:
  nn::BatchNorm1d batchnorm_{nullptr};
  Tensor weight_, bias_;
};
TORCH_MODULE(TokenNorm);

struct SeriesAttentionImpl : nn::Module {
  explicit SeriesAttentionImpl(const SeriesEncoderConfig& config);
  /// x (B, T, dim) -> (B, T, dim), before dropout. With residual attention `scores` are the last layer's, (B, heads, T,
  /// T) or undefined, and become this one's.
  Tensor forward(const Tensor& x, Tensor& scores);

 private:
  int64_t heads_;
  double dropout_;
  bool residual_;
  Linear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, out_proj_{nullptr};
};
TORCH_MODULE(SeriesAttention);

struct SeriesLayerImpl : nn::Module {
  explicit SeriesLayerImpl(const SeriesEncoderConfig& config);
  /// x (B, T, dim) -> (B, T, dim)
  Tensor forward(Tensor x, Tensor& scores);

 private:
  SeriesEncoderConfig config_;
  SeriesAttention self_attn_{nullptr};
  TokenNorm norm_sublayer1_{nullptr}, norm_sublayer3_{nullptr};
  Linear widen_{nullptr}, narrow_{nullptr};
};
TORCH_MODULE(SeriesLayer);

/// `depth` layers, called 0, 1, ...
struct SeriesEncoderImpl : nn::Module {
  explicit SeriesEncoderImpl(const SeriesEncoderConfig& config);
  /// tokens (B, T, dim) -> (B, T, dim)
  Tensor forward(Tensor tokens);

 private:
  std::vector<SeriesLayer> layers_;
};
TORCH_MODULE(SeriesEncoder);

}  // namespace hadal
