#include "hadal/nn/masks.h"

#include "hadal/core/error.h"
#include "hadal/core/shape.h"

namespace hadal {

Tensor padding_mask(const Tensor& lengths, int64_t length) {
  expect_shape("padding_mask", lengths, {kAny});
  return (torch::arange(length, lengths.options()) < lengths.unsqueeze(1)).unsqueeze(1).unsqueeze(1);
}

Tensor position_mask(const Tensor& queries, const Tensor& keys, bool causal, int64_t window) {
  const auto back = queries.unsqueeze(1) - keys.unsqueeze(0);  // how far a key lies behind its query
  auto seen = causal ? back >= 0 : torch::ones_like(back, torch::kBool);
  if (window > 0) seen = seen & (back.abs() < window);
  return seen;
}

Tensor both_masks(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() ? a : b;
  for (const auto& mask : {a, b})
    require(mask.scalar_type() == torch::kBool || mask.is_floating_point(),
            "[attention] a mask of type {}; bool or floating is expected; where zeros forbid, give mask.ne(0)",
            c10::toString(mask.scalar_type()));
  const bool a_seen = a.scalar_type() == torch::kBool, b_seen = b.scalar_type() == torch::kBool;
  if (a_seen && b_seen) return a & b;
  if (a_seen) return b.masked_fill(a.logical_not(), -INFINITY);
  if (b_seen) return a.masked_fill(b.logical_not(), -INFINITY);
  return a + b;
}

Tensor mask_of_zeros(const Tensor& mask) {
  if (!mask.defined()) return mask;
  require(mask.dim() >= 2 && mask.dim() <= 4,
          "[attention] the mask ({}) must be (queries, keys), (batch, queries, keys) or (batch, heads, queries, keys)",
          fmt::join(mask.sizes(), ", "));
  require(!mask.is_floating_point() || !mask.eq(-INFINITY).any().item<bool>(),
          "[attention] the mask holds -inf, so it is one that is added to the scores; here zeros forbid: give it to "
          "attend() as options.mask");
  const auto seen = mask.ne(0);
  return seen.dim() == 3 ? seen.unsqueeze(1) : seen;
}

}  // namespace hadal
