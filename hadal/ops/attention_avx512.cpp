#define HADAL_SIMD avx512
#include "hadal/ops/attention_cpus.h"
#ifdef __AVX512F__
#include "hadal/ops/attention_table.h"

namespace hadal {
AttentionKernels attention_avx512(bool bf16) {
  return bf16 ? avx512::kernels<avx512::InFloats, avx512::Bf16>() : avx512::kernels<avx512::InFloats, float>();
}
}  // namespace hadal
#endif
