// Masks for attention: which key a query may see (bool: true is seen), or what is added to its score.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// lengths (B) -> (B, 1, 1, length): the first lengths[b] keys of sequence b are seen, the padding behind them is not.
Tensor padding_mask(const Tensor& lengths, int64_t length);

/// Positions of queries (Tq) and keys (Tk) -> (Tq, Tk). Causal: keys up to the query's own position. `window` above 0:
/// less than `window` away (Beltagy et al. 2020, arXiv:2004.05150).
Tensor position_mask(const Tensor& queries, const Tensor& keys, bool causal, int64_t window);

/// Both masks at once, bool or additive, broadcast to each other; an undefined one forbids nothing.
Tensor both_masks(const Tensor& a, const Tensor& b);

/// Any mask whose zeros forbid -> a bool one for (B, H, Tq, Tk): (Tq, Tk) for all, (B, Tq, Tk) for all heads, or of
/// four dimensions. Throws UsageError for one with -inf, which is meant to be added.
Tensor mask_of_zeros(const Tensor& mask);

}  // namespace hadal
