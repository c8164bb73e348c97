// Attention on the CPU out of LibTorch's matrix products, in tiles that stay in the cache, with a backward pass of its
// own.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

struct ProductsPlan {
  Tensor bias;  // added to the scores: -inf where nothing is attended; broadcast to (B, H, Tq, Tk), or undefined
  bool causal = false;      // query i attends to keys up to i + Tk - Tq
  double scale = 1;         // of the scores
  double dropout = 0;       // of the attention weights
  bool by_head = true;      // one head after the other in blocks of queries, or all heads in one batched product
  int64_t block = 1 << 16;  // queries at a time, by head
};

/// q (B, H, Tq, D), k, v (B, H, Tk, D), plain CPU tensors of one floating type -> (B, H, Tq, D), laid out as (B, Tq, H,
/// D). Rows without any key give zeros. By head, the memory is that of one block's scores a thread, and the backward
/// pass computes them again (Rabe and Staats 2021, arXiv:2112.05682); batched, the weights are kept. No double
/// backward.
Tensor products_attention(const Tensor& q, const Tensor& k, const Tensor& v, const ProductsPlan& plan);

}  // namespace hadal
