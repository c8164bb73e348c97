// A line search: how far to go along a direction.
#pragma once
#include <functional>

#include "hadal/core/torch.h"

namespace hadal {

struct LossPoint {
  double loss = 0;
  Tensor gradient;  // all parameters' in one vector
};
struct LinePoint {
  double length = 0;
  LossPoint point;
  int64_t evaluations = 0;
};

/// A length that satisfies the strong Wolfe conditions with c1 = 1e-4 and c2 = 0.9, by bracketing and cubic
/// interpolation (Nocedal & Wright, algorithms 3.5 and 3.6), as PyTorch's L-BFGS finds it. `at(length)` evaluates the
/// loss there (infinite: too far), `start` is the loss at 0 and `slope` its derivative along `direction`, which is
/// negative.
LinePoint strong_wolfe(const std::function<LossPoint(double length)>& at, double length, const Tensor& direction,
                       const LossPoint& start, double slope);

}  // namespace hadal
