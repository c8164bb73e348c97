// Where to compute, and on how many threads.
#pragma once
#include <string>

#include "hadal/core/torch.h"

namespace hadal {

/// "auto" (the first GPU, else the CPU), "cpu", "cuda", "cuda:1". Throws UsageError when there is no such device.
torch::Device pick_device(const std::string& name);

/// CPU threads for computing; 0: as many as this process has cores.
void set_threads(int64_t count);

/// The cores this process may use: its affinity and its control group's quota.
int64_t allowed_cores();

}  // namespace hadal
