#define HADAL_SIMD avx512
#include "hadal/ops/tokens_kernels.h"
#ifdef __AVX512F__
#include "hadal/ops/tokens_simd.h"

namespace hadal {
TokenKernels token_kernels_avx512() { return avx512::token_kernels(); }
}  // namespace hadal
#endif
