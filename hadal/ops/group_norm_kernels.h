// What the kernels for group norms are given, and how they are found for the CPU at hand. Plain types alone: the
// sources of one kind of CPU include nothing of LibTorch.
#pragma once
#include <cstdint>

namespace hadal {

/// y = silu(gain (x + added - mean) deviation + bias) for samples of `pixels` rows of `channels` numbers, the mean and
/// one over the deviation being those of a sample's group of neighbouring channels.
struct GroupNormTask {
  int64_t pixels = 0, channels = 0, groups = 0;
  int64_t step = 0;  // from a sample's gain and bias to the next one's: 0 or channels
  double eps = 0;
  const float *added = nullptr, *gain = nullptr, *bias = nullptr;  // added (samples, channels) or null
  float *mean = nullptr, *over_deviation = nullptr;                // (samples, groups)
  const void *x = nullptr, *dy = nullptr;                          // fp32 or bf16, all four alike
  void *y = nullptr, *dx = nullptr;
  float *dadded = nullptr, *dgain = nullptr, *dbias = nullptr;  // (samples, channels)
};

struct GroupNormKernels {
  int64_t lanes = 0;  // channels must be a multiple of it
  /// Samples [first, last); scratch holds 6 x channels floats.
  using Kernel = void (*)(const GroupNormTask&, int64_t first, int64_t last, float* scratch);
  Kernel forward[2] = {}, backward[2] = {};  // of fp32, of bf16
};

GroupNormKernels group_norm_kernels_avx2();
GroupNormKernels group_norm_kernels_avx512();

}  // namespace hadal
