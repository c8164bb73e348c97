#include "hadal/ops/attention.h"

namespace hadal {

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  return at::scaled_dot_product_attention(q, k, v, options.mask.defined() ? std::optional(options.mask) : std::nullopt,
                                          options.dropout, options.causal, options.scale);
}

}  // namespace hadal
