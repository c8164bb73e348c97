// The kernels for each kind of CPU; each from a source of its own, compiled for it.
#pragma once
#include "hadal/ops/attention_kernels.h"

namespace hadal {

AttentionKernels attention_avx2(bool bf16);
AttentionKernels attention_avx512(bool bf16);
AttentionKernels attention_avx512bf16();  // bf16 alone

}  // namespace hadal
