// The pre-norm transformer encoder (Vaswani et al. 2017, arXiv:1706.03762; norm first as in arXiv:2002.04745).
#pragma once
#include <vector>

#include "hadal/nn/attention.h"

namespace hadal {

struct EncoderConfig {
  int64_t dim = 768, depth = 12, heads = 12, mlp = 3072;
  double dropout = 0, attention_dropout = 0, norm_eps = 1e-6;
};

/// x + attention(norm(x)), then x + mlp(norm(x)). Names and initialisation are those of torchvision's EncoderBlock.
struct EncoderBlockImpl : nn::Module {
  explicit EncoderBlockImpl(const EncoderConfig& config);
  /// x (B, T, dim) -> (B, T, dim)
  Tensor forward(Tensor x, const AttentionOptions& options = {});

 private:
  nn::LayerNorm ln_1_{nullptr}, ln_2_{nullptr};
  SelfAttention self_attention_{nullptr};
  nn::Dropout dropout_{nullptr};
  nn::Sequential mlp_{nullptr};
};
TORCH_MODULE(EncoderBlock);

/// `depth` blocks, named encoder_layer_0, encoder_layer_1, ...
struct EncoderLayersImpl : nn::Module {
  explicit EncoderLayersImpl(const EncoderConfig& config);
  Tensor forward(Tensor x, const AttentionOptions& options = {});

 private:
  std::vector<EncoderBlock> blocks_;
};
TORCH_MODULE(EncoderLayers);

/// LayerNorm over the last dimension, `dim` long.
nn::LayerNorm layer_norm(int64_t dim, double eps);

}  // namespace hadal
