// Noise that belongs to a sample: it follows from a seed and the sample's index alone, never from batch or threads.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// Standard normal numbers (count, shape...) float32 on the CPU; row i is the noise of sample first + i. Equal seed and
/// index give equal rows on every machine, up to the rounding of its logarithm and cosine.
Tensor sample_noise(uint64_t seed, int64_t first, int64_t count, at::IntArrayRef shape);

}  // namespace hadal
