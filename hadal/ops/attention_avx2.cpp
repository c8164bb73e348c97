#define HADAL_SIMD avx2
#include "hadal/ops/attention_cpus.h"
#ifdef __AVX2__
#include "hadal/ops/attention_table.h"

namespace hadal {
AttentionKernels attention_avx2(bool bf16) {
  return bf16 ? avx2::kernels<avx2::InFloats, avx2::Bf16>() : avx2::kernels<avx2::InFloats, float>();
}
}  // namespace hadal
#endif
