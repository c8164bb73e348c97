// Gradient clipping, folded into the optimiser's step: a norm is measured in one pass over the gradients, and what
// follows from it multiplies them on their way into the update.
#pragma once
#include <string>

#include "hadal/core/config.h"
#include "hadal/optim/optimizer.h"

namespace hadal {

struct ClipRule {
  double limit = 0;         // 0: no clipping
  std::string by = "norm";  // one of kinds()

  /// norm: of all gradients together (Pascanu et al. 2013, arXiv:1211.5063). group: of each parameter group. value: of
  /// each element. adaptive: of each unit, to `limit` times its weights (Brock et al. 2021, arXiv:2102.06171).
  static std::vector<std::string> kinds() { return {"norm", "group", "value", "adaptive"}; }
};

struct Clipped {
  double norm = 0;        // of all gradients, scaled, before clipping; not finite when one of them is not
  Evaluation evaluation;  // for Optimizer::step
};
/// Measures the gradients and clips them. `scale` multiplies them first: the inverse of a loss scale.
Clipped clip_gradients(const Optimizer& optimizer, const ClipRule& rule, double scale = 1);

/// The L2 norm of all gradients together, summed in double.
double grad_norm(const std::vector<Tensor>& parameters);
/// The same for gradients as `evaluation` takes them.
double grad_norm(const Optimizer& optimizer, const Evaluation& evaluation);
/// Scales the gradients themselves so that their norm is at most `most`; returns the norm before. For loops that step
/// without an Evaluation.
double clip_grad_norm(const std::vector<Tensor>& parameters, double most);

/// The first parameter whose gradient (or, when all gradients are finite, whose value) has an infinite or NaN element,
/// by name; empty when all are finite.
std::string first_not_finite(const Optimizer& optimizer);

}  // namespace hadal
