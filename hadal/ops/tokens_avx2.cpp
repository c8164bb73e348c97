#define HADAL_SIMD avx2
#include "hadal/ops/tokens_kernels.h"
#ifdef __AVX2__
#include "hadal/ops/tokens_simd.h"

namespace hadal {
TokenKernels token_kernels_avx2() { return avx2::token_kernels(); }
}  // namespace hadal
#endif
