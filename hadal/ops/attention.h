// Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762, equation 1) as one operator.
#pragma once
#include <optional>

#include "hadal/core/torch.h"

namespace hadal {

struct AttentionOptions {
  Tensor mask;  // broadcast to (B, H, Tq, Tk): bool (false: not attended) or float (added to the scores); or undefined
  bool causal = false;          // query i attends to keys up to its own place, i + Tk - Tq
  int64_t window = 0;           // over 0: only to keys less than that many places away from its own
  double dropout = 0;           // of the attention weights; the caller passes 0 in eval mode
  std::optional<double> scale;  // 1 / sqrt(D) when not set
  Tensor
      slopes;  // (H), or undefined: adds -slope |distance| to the scores (ALiBi; Press et al. 2022, arXiv:2108.12409)
};

/// q (B, H, Tq, D), k and v (B, G, Tk, D) -> (B, H, Tq, D), with gradients. H is a multiple of G: query heads h H/G ..
/// (h + 1) H/G - 1 share the h-th head of k and v (Ainslie et al. 2023, arXiv:2305.13245). A row whose keys are all
/// masked gives zeros. Throws UsageError where shapes or options do not fit.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options = {});

}  // namespace hadal
