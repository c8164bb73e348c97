// Multi-head attention, of a sequence to itself or to another one (Vaswani et al. 2017, arXiv:1706.03762, section
// 3.2.2).
#pragma once
#include <optional>

#include "hadal/nn/cache.h"
#include "hadal/nn/linear.h"
#include "hadal/nn/masks.h"
#include "hadal/nn/positions.h"
#include "hadal/ops/attention.h"

namespace hadal {

struct MultiHeadConfig {
  int64_t dim = 768, heads = 12;
  int64_t kv_heads = 0;  // heads of keys and values, each for heads / kv_heads of the queries (Ainslie et al. 2023,
                         // arXiv:2305.13245); 1: multi-query (Shazeer 2019, arXiv:1911.02150); 0: as many as heads
  int64_t window = 0;    // only keys less than this many places away are seen; 0: no window
  double dropout = 0;    // of the attention weights
  bool bias = true;
  std::optional<bool> out_bias;  // of the last product, where it is not `bias` (Qwen2)
};

/// What a call says besides its queries, keys and values.
struct AttentionInput {
  AttentionOptions options;               // mask, causal, scale; its dropout and window are the module's
  const Rotation* rotation = nullptr;     // turns queries and keys
  DecodingCache::Layer* cache = nullptr;  // keys of earlier calls are attended too
  Tensor* weights = nullptr;              // set: takes the weights (B, H, Tq, Tk) to look at, without dropout
};

/// Parameter names and initialisation are nn.MultiheadAttention's: in_proj_weight (3 dim, dim), in_proj_bias, out_proj;
/// fewer key and value heads make in_proj_weight ((heads + 2 kv_heads) * dim / heads, dim).
struct MultiHeadAttentionImpl : nn::Module {
  /// Throws UsageError unless `dim` is a multiple of `heads` and `heads` of `kv_heads`.
  explicit MultiHeadAttentionImpl(const MultiHeadConfig& config);

  /// q (B, Tq, dim), k and v (B, Tk, dim) -> (B, Tq, dim). Where the mask, (Tq, Tk), (B, Tq, Tk) or broadcast to (B, H,
  /// Tq, Tk), is 0 nothing is attended; a query that sees no key gets out_proj's bias. Throws Error on other shapes.
  Tensor forward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask = {});
  Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionInput& input);
  /// Self-attention: x (B, T, dim) -> (B, T, dim).
  Tensor self(const Tensor& x, const AttentionInput& input = {}) { return attend(x, x, x, input); }
  /// Cross-attention to `memory` (B, Tk, dim); with a cache the memory's keys are made once.
  Tensor cross(const Tensor& x, const Tensor& memory, const AttentionInput& input);

  int64_t kv_heads() const { return kv_heads_; }
  int64_t width() const { return width_; }

 private:
  struct Heads {
    Tensor q, k, v;  // (B, heads, T, width)
  };
  Heads project(const Tensor& q, const Tensor& k, const Tensor& v);
  Tensor mix(const Heads& heads, const AttentionInput& input);
  Tensor split(const Tensor& projected) const;

  int64_t heads_, kv_heads_, width_, window_;
  double dropout_;
  Tensor in_proj_weight_, in_proj_bias_;
  Linear out_proj_{nullptr};
};
TORCH_MODULE(MultiHeadAttention);

}  // namespace hadal
