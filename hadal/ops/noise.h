// Noise that belongs to a sample: it follows from a seed and the sample's index alone, never from batch or threads.
#pragma once
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

/// Standard normal numbers (count, shape...) float32 on the CPU; row i is the noise of sample first + i. Equal seed and
/// index give equal rows on every machine, up to the rounding of its logarithm and cosine.
Tensor sample_noise(uint64_t seed, int64_t first, int64_t count, at::IntArrayRef shape);

/// The same for each step of a sample that takes new noise on its way: another stream than sample_noise's and than any
/// other step's.
Tensor step_noise(uint64_t seed, int64_t step, int64_t first, int64_t count, at::IntArrayRef shape);

/// p (N, ...) in [0, 1] -> the same float32 shape of ones, each with its chance p, and zeros. What is drawn for row i
/// follows from the seed and index[i]: dynamic binarisation takes another seed each epoch, a fixed one always the same.
Tensor draw_bits(const Tensor& p, uint64_t seed, const std::vector<int64_t>& index);

}  // namespace hadal
