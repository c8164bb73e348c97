// Layers of D-FINE's encoder and decoder; names are transformers'.
#pragma once
#include <string>
#include <vector>

#include "hadal/core/torch.h"
#include "hadal/nn/linear.h"
#include "hadal/nn/norm.h"

namespace hadal {

/// Linear layers in a row with an activation between: layers.0, layers.1, ...
struct DfineMlpImpl : nn::Module {
  DfineMlpImpl(int64_t in, int64_t hidden, int64_t out, int64_t count, bool gelu = false);
  Tensor forward(const Tensor& x);
  /// The last layer says 0 at first.
  void begin_with_zero();

  std::vector<Linear> layers;

 private:
  bool gelu_;
};
TORCH_MODULE(DfineMlp);

/// Self-attention in which places are added to queries and keys: q_proj, k_proj, v_proj, o_proj.
struct DfineAttentionImpl : nn::Module {
  DfineAttentionImpl(int64_t dim, int64_t heads);
  /// x (B, T, dim), places broadcast to it, mask (T, T) bool or undefined (false: not attended) -> (B, T, dim)
  Tensor forward(const Tensor& x, const Tensor& places, const Tensor& mask);

 private:
  int64_t heads_;
  Linear k_proj_{nullptr}, v_proj_{nullptr}, q_proj_{nullptr}, o_proj_{nullptr};
};
TORCH_MODULE(DfineAttention);

/// A 1x1 convolution and a batch norm, "0" and "1".
nn::Sequential dfine_projection(int64_t in, int64_t out);

}  // namespace hadal
