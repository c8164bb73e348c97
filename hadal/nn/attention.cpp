#include "hadal/nn/attention.h"

#include "hadal/core/error.h"
#include "hadal/core/shape.h"

namespace hadal {

SelfAttentionImpl::SelfAttentionImpl(int64_t dim, int64_t heads, double dropout) : heads_(heads), dropout_(dropout) {
  require(heads > 0 && dim % heads == 0, "[attention] dim ({}) must be divisible by heads ({}); nearest: {}", dim,
          heads, nearest_multiple(dim, std::max<int64_t>(heads, 1)));
  in_proj_weight_ = register_parameter("in_proj_weight", torch::empty({3 * dim, dim}));
  in_proj_bias_ = register_parameter("in_proj_bias", torch::empty({3 * dim}));
  out_proj_ = register_module("out_proj", Linear(dim, dim));
  init::xavier_uniform(in_proj_weight_);
  init::constant(in_proj_bias_, 0);
  init::constant(out_proj_->bias, 0);
}

Tensor SelfAttentionImpl::forward(const Tensor& x, AttentionOptions options) {
  const auto dim = in_proj_weight_.size(1);
  expect_shape("attention", x, {kAny, kAny, dim});
  options.dropout = is_training() ? dropout_ : 0;
  const auto qkv = linear(x, in_proj_weight_, in_proj_bias_)  // (B, T, 3 dim)
                       .view({x.size(0), x.size(1), 3, heads_, dim / heads_})
                       .permute({2, 0, 3, 1, 4});  // (3, B, H, T, D)
  const auto mixed = attention(qkv[0], qkv[1], qkv[2], options);
  return out_proj_(mixed.transpose(1, 2).flatten(2));  // (B, T, dim)
}

}  // namespace hadal
