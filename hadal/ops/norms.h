// Norms of many tensors in one pass over memory, summed in double; the same for any number of threads.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// The sum of squares of each tensor; infinite or NaN where a value is. Any floating type and device.
std::vector<double> sums_of_squares(const std::vector<Tensor>& tensors);

/// Adaptive gradient clipping (Brock et al. 2021, arXiv:2102.06171, equation 3): a unit, which is a row of a weight
/// (its first dimension) or a whole vector, whose gradient is longer than `limit` times its weights (at least `eps`)
/// gets a gradient of that length. `scale` multiplies the gradient before it is compared, not the gradient itself.
/// Returns the sum of squares of all gradients, scaled, before clipping.
double clip_adaptively(const std::vector<Tensor>& params, const std::vector<Tensor>& grads, double limit, double eps,
                       double scale);

}  // namespace hadal
