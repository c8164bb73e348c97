// What the kernels for narrow tokens are given, and how they are found for the CPU at hand. Plain types alone: the
// sources of one kind of CPU include nothing of LibTorch.
#pragma once
#include <cstdint>

namespace hadal {

/// Dropout whose mask follows from the seed and each element's place alone.
struct DropoutTask {
  uint64_t seed = 0;
  uint32_t threshold = 0xffffffff;  // a number below it keeps the element
  float scale = 1;                  // of what is kept
  bool active = false;
};

/// y = residual + dropout(w2 dropout(gelu(w1 x + b1)) + b2) for rows x of `dim`; w1 (hidden, dim), w2 (dim, hidden).
/// Turned weights are their transposes. Gradients of weights are sums over the rows of one call, added to what is
/// there.
struct MlpTask {
  int64_t dim = 0, hidden = 0;
  const float *x = nullptr, *residual = nullptr;
  const float *w1 = nullptr, *w1_turned = nullptr, *b1 = nullptr;
  const float *w2 = nullptr, *w2_turned = nullptr, *b2 = nullptr;
  DropoutTask inner, outer;
  float* y = nullptr;
  const float* dy = nullptr;
  float* dx = nullptr;
};
struct MlpGradients {
  float *w1_turned, *b1, *w2, *b2;  // (dim, hidden), (hidden), (dim, hidden), (dim)
};

struct TokenKernels {
  int64_t lanes = 0;                                 // dim and hidden must be multiples of it
  int64_t (*mlp_scratch)(const MlpTask&) = nullptr;  // floats
  void (*mlp_forward)(const MlpTask&, int64_t first, int64_t last, float* scratch) = nullptr;
  void (*mlp_backward)(const MlpTask&, int64_t first, int64_t last, float* scratch, MlpGradients) = nullptr;
  /// y = residual + dropout(x), or without a residual; elements [first, last), first a multiple of lanes. By whether x
  /// is bf16 and whether y is, else fp32.
  using Dropout = void (*)(const DropoutTask&, const void* x, const float* residual, void* y, int64_t first,
                           int64_t last);
  Dropout dropout[2][2] = {};
};

TokenKernels token_kernels_avx2();
TokenKernels token_kernels_avx512();

}  // namespace hadal
