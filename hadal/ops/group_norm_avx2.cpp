#define HADAL_SIMD avx2
#include "hadal/ops/group_norm_kernels.h"
#ifdef __AVX2__
#include "hadal/ops/group_norm_simd.h"

namespace hadal {
GroupNormKernels group_norm_kernels_avx2() { return avx2::group_norm_kernels(); }
}  // namespace hadal
#endif
