#include <cmath>

#include "hadal/ops/update.h"
#include "hadal/optim/adam.h"
#include "hadal/optim/clip.h"
#include "hadal/optim/methods.h"

namespace hadal {
namespace {

GradientUse once_more(GradientUse use) {
  use.zero = false;
  return use;
}

struct LambConfig {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-6, weight_decay = 0.01, max_grad_norm = 1;
  bool bias_correction = true, grad_averaging = true, trust_clip = false, always_adapt = false, decoupled_decay = false;
  static Fields<LambConfig> fields() {
    using C = LambConfig;
    return {
        lr_field<C>(),
        beta1_field<C>(),
        beta2_field<C>(),
        eps_field<C>(),
        weight_decay_field<C>(),
        {"max_grad_norm", &C::max_grad_norm, "clip the norm of all gradients together (0: no clipping)", at_least(0)},
        {"bias_correction", &C::bias_correction, "make up for means that begin at 0"},
        {"grad_averaging", &C::grad_averaging, "weigh a new gradient by 1 - beta1"},
        {"trust_clip", &C::trust_clip, "never lengthen a step"},
        {"always_adapt", &C::always_adapt, "adapt the rate of tensors without weight decay too"},
        {"decoupled_decay", &C::decoupled_decay, "decay the weights themselves, as AdamW"}};
  }
};

/// The step before its length is known: pass one moves the means and measures, pass two makes the same step again.
struct LambStep {
  Real inverse_bias1, inverse_root_bias2, eps, pull;
  template <class T>
  T of(const T& p, const T& mean, const T& square) const {
    return inverse_bias1 * mean / (root(square) * inverse_root_bias2 + eps) + pull * p;
  }
};
struct LambMeans : Rule<2, true, false, true> {
  LambStep step;
  Real beta1, mix1, beta2, mix2;
  template <class T>
  T operator()(T& p, const T& g, T& mean, T& square) const {
    mean = beta1 * mean + mix1 * g;
    square = beta2 * square + mix2 * (g * g);
    return step.of(p, mean, square);
  }
};
struct LambMove : Rule<2, false> {
  LambStep step;
  Real keep, rate;
  template <class T>
  void operator()(T& p, const T&, T& mean, T& square) const {
    p = keep * p - rate * step.of(p, mean, square);
  }
};

/// Adam whose step is as long, per tensor, as the weights say (You et al. 2020, arXiv:1904.00962), timm's form.
class Lamb : public Optimizer {
 public:
  Lamb(const LambConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, {Slot::like("exp_avg"), Slot::like("exp_avg_sq")}), config_(config) {}

 protected:
  void begin_step(Evaluation& evaluation) override {
    if (config_.max_grad_norm == 0) return;
    const auto norm = grad_norm(*this, evaluation);
    if (norm > config_.max_grad_norm) {
      evaluation.use.scale *= config_.max_grad_norm / norm;
      evaluation.use.bound *= config_.max_grad_norm / norm;
    }
  }
  void update(Active& active) override {
    const auto beta1 = active.momentum.value_or(config_.beta1), beta2 = config_.beta2;
    const auto decay = config_.weight_decay * active.decay_scale;
    auto [bias1, bias2, keep, pull] = adam_step(active.lr, beta1, beta2, active.step, decay, config_.decoupled_decay);
    if (!config_.bias_correction) bias1 = bias2 = 1;
    const LambStep step{1 / bias1, 1 / std::sqrt(bias2), config_.eps, pull};
    const auto measured =
        hadal::update(LambMeans{{}, step, beta1, config_.grad_averaging ? 1 - beta1 : 1.0, beta2, 1 - beta2},
                      active.tensors, active.use);
    const auto move = [&, keep = keep](size_t i) {
      auto trust = 1.0;
      if (decay != 0 || config_.always_adapt) {
        auto weight = measured[i].value_norm();
        if (config_.decoupled_decay) weight *= keep;
        const auto length = measured[i].result_norm();
        if (weight > 0 && length > 0) trust = weight / length;
        if (config_.trust_clip) trust = std::min(trust, 1.0);
      }
      return LambMove{{}, step, keep, active.lr * trust};
    };
    update_each(move, active.tensors, once_more(active.use));
  }

 private:
  LambConfig config_;
};

struct LarsConfig {
  double lr = 1, momentum = 0, dampening = 0, weight_decay = 0, trust_coeff = 0.001, eps = 1e-8;
  bool nesterov = false, trust_clip = false, always_adapt = false;
  static Fields<LarsConfig> fields() {
    using C = LarsConfig;
    return {lr_field<C>(),
            {"momentum", &C::momentum, "share of the last step that is kept", from_below(0, 1)},
            {"dampening", &C::dampening, "share of the gradient left out of the momentum", between(0, 1)},
            weight_decay_field<C>(),
            {"trust_coeff", &C::trust_coeff, "length of a step as a share of the weights'", above(0)},
            eps_field<C>(),
            {"nesterov", &C::nesterov, "look ahead along the momentum"},
            {"trust_clip", &C::trust_clip, "never lengthen a step (LARC)"},
            {"always_adapt", &C::always_adapt, "adapt the rate of tensors without weight decay too"}};
  }
  void validate() const {
    require(!nesterov || (momentum > 0 && dampening == 0),
            "[lars] nesterov wants momentum above 0 and no dampening; got momentum {} and dampening {}", momentum,
            dampening);
  }
};

struct NormsRule : Rule<0, true, false, true> {
  template <class T>
  T operator()(T&, const T& g) const {
    return g;
  }
};
struct LarsRule : Rule<1> {
  Real lr, pull, trust, keep, fresh, by_gradient, by_momentum;
  template <class T>
  void operator()(T& p, const T& g, T& velocity) const {
    const T d = trust * (g + pull * p);
    velocity = keep * velocity + fresh * d;
    p = p - lr * (by_gradient * d + by_momentum * velocity);
  }
};
struct LarsPlainRule : Rule<0> {
  Real lr, pull;
  template <class T>
  void operator()(T& p, const T& g) const {
    p = p - lr * (g + pull * p);
  }
};

/// Gradient descent with a rate per tensor by the size of its weights (You et al. 2017, arXiv:1708.03888), timm's form.
class Lars : public Optimizer {
 public:
  Lars(const LarsConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr,
                  config.momentum > 0 ? std::vector{Slot::like("momentum_buffer")} : std::vector<Slot>{}),
        config_(config) {}

 protected:
  void update(Active& active) override {
    const auto decay = config_.weight_decay * active.decay_scale;
    const bool adapts = decay != 0 || config_.always_adapt;
    std::vector<Measured> measured(active.tensors.size());
    if (adapts) measured = hadal::update(NormsRule{}, active.tensors, once_more(active.use));
    const auto trust_of = [&](size_t i) {
      if (!adapts) return 1.0;
      const auto weight = measured[i].value_norm(), gradient = measured[i].result_norm();
      auto trust = 1.0;
      if (weight > 0 && gradient > 0) trust = config_.trust_coeff * weight / (gradient + weight * decay + config_.eps);
      return config_.trust_clip ? std::min(trust / active.lr, 1.0) : trust;
    };
    if (config_.momentum == 0) {
      update_each([&](size_t i) { return LarsPlainRule{{}, active.lr * trust_of(i), decay}; }, active.tensors,
                  active.use);
      return;
    }
    const auto momentum = momentum_step(active.momentum.value_or(config_.momentum), config_.dampening, config_.nesterov,
                                        active.step == 1);
    const auto move = [&](size_t i) {
      return LarsRule{
          {}, active.lr, decay, trust_of(i), momentum.keep, momentum.fresh, momentum.by_gradient, momentum.by_momentum};
    };
    update_each(move, active.tensors, active.use);
  }

 private:
  LarsConfig config_;
};

}  // namespace

void register_lamb_lars(OptimizerCatalog& catalog) {
  catalog.add("lamb", "Adam with a step per tensor as long as its weights, for large batches", LambConfig{},
              [](const LambConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Lamb>(config, std::move(groups));
              });
  catalog.add("lars", "momentum with a rate per tensor by the size of its weights, for large batches", LarsConfig{},
              [](const LarsConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Lars>(config, std::move(groups));
              });
}

}  // namespace hadal
