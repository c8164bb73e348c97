// Who goes with whom: the pairs of rows and columns of a table of costs whose sum is least.
#pragma once
#include <cstdint>
#include <limits>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

/// cost (N, M) -> each row's column, -1 where it has none: every column goes to at most one row, min(N, M) pairs whose
/// costs sum to the least there is. A pair that costs `limit` or more is worth less than none: the sum is then that of
/// cost - limit, over as many pairs as lower it. Shortest augmenting paths, O(min(N, M)^2 max(N, M)), in float64 on the
/// CPU (Crouse 2016, "On implementing 2D rectangular assignment algorithms"; scipy's linear_sum_assignment). Throws
/// UsageError for NaN and, without a limit, for what is not finite.
std::vector<int64_t> least_cost_pairs(const Tensor& cost, double limit = std::numeric_limits<double>::infinity());

}  // namespace hadal
