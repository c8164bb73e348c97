// Multi-head self-attention (Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2).
#pragma once
#include "hadal/nn/linear.h"
#include "hadal/ops/attention.h"

namespace hadal {

/// Parameter names and initialisation are nn.MultiheadAttention's: in_proj_weight (3 dim, dim), in_proj_bias, out_proj.
struct SelfAttentionImpl : nn::Module {
  /// Throws UsageError unless `dim` is a multiple of `heads`. `dropout` is that of the attention weights.
  SelfAttentionImpl(int64_t dim, int64_t heads, double dropout = 0);
  /// x (B, T, dim) -> (B, T, dim). `options` gives mask, causal and scale; its dropout is the module's in training.
  Tensor forward(const Tensor& x, AttentionOptions options = {});

 private:
  int64_t heads_;
  double dropout_;
  Tensor in_proj_weight_, in_proj_bias_;
  Linear out_proj_{nullptr};
};
TORCH_MODULE(SelfAttention);

}  // namespace hadal
