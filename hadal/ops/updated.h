// What a fused update works on: parameters, gradients and state, side by side.
#pragma once
#include <limits>

#include "hadal/core/torch.h"

namespace hadal {

/// A parameter and what belongs to it, all of one shape. State is double for a double parameter, else float.
struct Updated {
  Tensor param, grad;         // of the parameter's type
  Tensor master;              // of a bf16 or fp16 parameter: its float value, which the rule moves; else undefined
  std::vector<Tensor> state;  // what the rule wants

  /// The value that the rule moves.
  const Tensor& value() const { return master.defined() ? master : param; }
};

/// What becomes of gradients on their way into a rule.
struct GradientUse {
  double scale = 1;                                        // multiplied first: clipping, a loss scale, -1 to maximise
  double bound = std::numeric_limits<double>::infinity();  // then clamped to [-bound, bound]
  bool zero = false;                                       // the gradient is zero afterwards

  /// The gradient as a rule sees it, in the type of the value.
  Tensor of(const Updated& u) const;
};

}  // namespace hadal
