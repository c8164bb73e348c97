// Adam and AdamW, which Muon takes too.
#pragma once
#include "hadal/optim/optimizer.h"

namespace hadal {

struct AdamConfig {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool amsgrad = false, maximize = false, decoupled_weight_decay = false;

  static Fields<AdamConfig> fields();
};

/// The constants of Adam's step that do not depend on the method's variant.
struct AdamStep {
  double bias1, bias2;  // 1 - beta^step
  double keep;          // the share of the weight that decoupled decay leaves
  double pull;          // weight decay that is added to the gradient
};
AdamStep adam_step(double lr, double beta1, double beta2, int64_t step, double decay, bool decoupled);

/// One step of Adam (decoupled: AdamW) for tensors with the state {exp_avg, exp_avg_sq[, max_exp_avg_sq]}.
void adam_update(const AdamConfig& config, double lr, double beta1, double decay, int64_t step,
                 std::vector<Updated>& tensors, const GradientUse& use);

/// velocity = keep x velocity + fresh x d; the step is by_gradient x d + by_momentum x velocity.
struct MomentumStep {
  double keep, fresh, by_gradient, by_momentum;
};
/// PyTorch's: the first step is not dampened, and one with a momentum of 0 leaves the velocity alone.
inline MomentumStep momentum_step(double momentum, double dampening, bool nesterov, bool first) {
  if (momentum == 0) return {1, 0, 1, 0};
  const auto fresh = first ? 1 : 1 - dampening;
  return nesterov ? MomentumStep{momentum, fresh, 1, momentum} : MomentumStep{momentum, fresh, 0, 1};
}

// The fields that Adam's kin share.
template <class C>
typename Fields<C>::Item beta1_field() {
  return {"beta1", &C::beta1, "decay of the mean of gradients", from_below(0, 1)};
}
template <class C>
typename Fields<C>::Item beta2_field() {
  return {"beta2", &C::beta2, "decay of the mean of squared gradients", from_below(0, 1)};
}
template <class C>
typename Fields<C>::Item eps_field() {
  return {"eps", &C::eps, "added to the denominator", at_least(0)};
}
template <class C>
typename Fields<C>::Item weight_decay_field() {
  return {"weight_decay", &C::weight_decay, "pull of the weights towards zero", at_least(0)};
}

}  // namespace hadal
