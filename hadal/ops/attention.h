// Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762, equation 1) as one operator.
#pragma once
#include <optional>

#include "hadal/core/torch.h"

namespace hadal {

struct AttentionOptions {
  Tensor mask;  // broadcast to (B, H, Tq, Tk): bool (false: not attended) or float (added to the scores); or undefined
  bool causal = false;          // query i attends to keys up to i + Tk - Tq
  double dropout = 0;           // of the attention weights; the caller passes 0 in eval mode
  std::optional<double> scale;  // 1 / sqrt(D) when not set
};

/// q (B, H, Tq, D), k and v (B, H, Tk, D) -> (B, H, Tq, D), with gradients. A row whose keys are all masked gives
/// zeros.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options = {});

}  // namespace hadal
