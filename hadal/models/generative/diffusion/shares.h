// Distributions by the share of them that lies below a value.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// The standard normal number below which `share` (N) of them lie, float64 on the CPU; beyond 7 deviations nothing is.
inline Tensor normal_of_share(const Tensor& share) {
  constexpr double kLeast = 1e-12;
  return torch::special_ndtri(share.to(torch::kCPU, torch::kFloat64).clamp(kLeast, 1 - kLeast));
}

}  // namespace hadal
