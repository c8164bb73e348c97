#define HADAL_SIMD avx512bf16
#include "hadal/ops/attention_cpus.h"
#ifdef __AVX512BF16__
#include "hadal/ops/attention_table.h"

namespace hadal {
AttentionKernels attention_avx512bf16() { return avx512bf16::kernels<avx512bf16::InPairs, avx512bf16::Bf16>(); }
}  // namespace hadal
#endif
