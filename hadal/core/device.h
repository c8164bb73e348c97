// Where a program computes: the device and the number of threads.
#pragma once
#include <cstdint>
#include <string>

#include "hadal/core/torch.h"

namespace hadal {

/// "auto" (a GPU where LibTorch finds one, else the CPU), "cpu", "cuda" or "cuda:1". Throws UsageError that says what
/// is missing: the name, CUDA in this LibTorch, a GPU, or one of that number.
torch::Device pick_device(const std::string& name);

/// Processors this process may run on (its affinity mask); two of them can share a core.
int64_t processors_allowed();
/// How many threads are worth running: cores within the affinity mask, hyper-threads counted once, and no more than the
/// control group's CPU quota. At least 1.
int64_t cores_allowed();

/// LibTorch's threads. 0: OMP_NUM_THREADS where it is set, else cores_allowed(). Throws UsageError below 0.
void set_threads(int64_t threads);
/// OMP_NUM_THREADS, or 0 where it is not set to a number.
int64_t omp_num_threads();

}  // namespace hadal
