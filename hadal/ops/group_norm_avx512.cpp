#define HADAL_SIMD avx512
#include "hadal/ops/group_norm_kernels.h"
#ifdef __AVX512F__
#include "hadal/ops/group_norm_simd.h"

namespace hadal {
GroupNormKernels group_norm_kernels_avx512() { return avx512::group_norm_kernels(); }
}  // namespace hadal
#endif
