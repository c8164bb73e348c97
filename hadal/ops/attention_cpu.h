// Attention by Hadal's own CPU kernels.
#pragma once
#include "hadal/ops/attention.h"

namespace hadal {

/// Kinds of CPU that have kernels, each with all that the ones before it have.
enum class AttentionCpu { kNone, kAvx2, kAvx512, kAvx512Bf16 };
/// What this machine has.
AttentionCpu attention_cpu();

/// attention() by the kernels of `cpu`, which this machine must have: q, k and v on the CPU, all fp32 or all bf16, none
/// empty; neither mask nor slopes learn. No double backward.
Tensor cpu_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
                     AttentionCpu cpu = attention_cpu());

}  // namespace hadal
