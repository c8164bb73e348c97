#include <cmath>

#include "hadal/ops/update.h"
#include "hadal/optim/adam.h"
#include "hadal/optim/methods.h"

namespace hadal {
namespace {

struct LionConfig {
  double lr = 1e-4, beta1 = 0.9, beta2 = 0.99, weight_decay = 0;
  bool maximize = false;
  static Fields<LionConfig> fields() {
    using C = LionConfig;
    return {lr_field<C>(),
            {"beta1", &C::beta1, "share of the mean of gradients in a step", from_below(0, 1)},
            {"beta2", &C::beta2, "decay of the mean of gradients", from_below(0, 1)},
            weight_decay_field<C>(),
            maximize_field<C>()};
  }
};

struct LionRule : Rule<1> {
  Real keep, lr, mix1, mix2;
  template <class T>
  void operator()(T& p, const T& g, T& mean) const {
    p = keep * p - lr * signum(T(mean + mix1 * (g - mean)));
    mean = mean + mix2 * (g - mean);
  }
};

/// Steps by the sign of the momentum (Chen et al. 2023, arXiv:2302.06675).
class Lion : public Optimizer {
 public:
  Lion(const LionConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, {Slot::like("exp_avg")}), config_(config) {}

 protected:
  void update(Active& active) override {
    if (config_.maximize) active.use.scale *= -1;
    const auto keep = 1 - active.lr * config_.weight_decay * active.decay_scale;
    hadal::update(LionRule{{}, keep, active.lr, 1 - active.momentum.value_or(config_.beta1), 1 - config_.beta2},
                  active.tensors, active.use);
  }

 private:
  LionConfig config_;
};

struct AdanConfig {
  double lr = 1e-3, beta1 = 0.98, beta2 = 0.92, beta3 = 0.99, eps = 1e-8, weight_decay = 0;
  bool no_prox = false;
  static Fields<AdanConfig> fields() {
    using C = AdanConfig;
    return {lr_field<C>(),
            beta1_field<C>(),
            {"beta2", &C::beta2, "decay of the mean of the gradients' differences", from_below(0, 1)},
            {"beta3", &C::beta3, "decay of the mean of squares", from_below(0, 1)},
            eps_field<C>(),
            weight_decay_field<C>(),
            {"no_prox", &C::no_prox, "decay the weights before the step, as AdamW, instead of after it"}};
  }
};

struct AdanRule : Rule<4> {
  Real keep, shrink, mix1, beta2, mix2, beta3, mix3, step, step_difference, inverse_root_bias3, eps;
  Real known;  // 0 in the first step, which has no gradient to compare with
  template <class T>
  void operator()(T& p, const T& g, T& mean, T& square, T& difference, T& before) const {
    const T change = known * (g - before);
    mean = mean + mix1 * (g - mean);
    difference = beta2 * difference + mix2 * change;
    const T ahead = g + beta2 * change;
    square = beta3 * square + mix3 * (ahead * ahead);
    p = (keep * p - (step * mean + step_difference * difference) / (root(square) * inverse_root_bias3 + eps)) / shrink;
    before = g;
  }
};

/// Nesterov's momentum without a second gradient (Xie et al. 2022, arXiv:2208.06677).
class Adan : public Optimizer {
 public:
  Adan(const AdanConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(
            std::move(groups), config.lr,
            {Slot::like("exp_avg"), Slot::like("exp_avg_sq"), Slot::like("exp_avg_diff"), Slot::like("pre_grad")}),
        config_(config) {}

 protected:
  void update(Active& active) override {
    const auto beta1 = active.momentum.value_or(config_.beta1), beta2 = config_.beta2, beta3 = config_.beta3;
    const auto bias = [&](double beta) { return 1 - std::pow(beta, static_cast<double>(active.step)); };
    const auto decay = active.lr * config_.weight_decay * active.decay_scale;
    hadal::update(AdanRule{{},
                           config_.no_prox ? 1 - decay : 1.0,
                           config_.no_prox ? 1.0 : 1 + decay,
                           1 - beta1,
                           beta2,
                           1 - beta2,
                           beta3,
                           1 - beta3,
                           active.lr / bias(beta1),
                           active.lr * beta2 / bias(beta2),
                           1 / std::sqrt(bias(beta3)),
                           config_.eps,
                           active.step == 1 ? 0.0 : 1.0},
                  active.tensors, active.use);
  }

 private:
  AdanConfig config_;
};

struct AdoptConfig {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.9999, eps = 1e-6, clip_exp = 0.333, weight_decay = 0;
  bool decoupled = false, maximize = false;
  static Fields<AdoptConfig> fields() {
    using C = AdoptConfig;
    return {
        lr_field<C>(),
        beta1_field<C>(),
        beta2_field<C>(),
        {"eps", &C::eps, "least denominator", above(0)},
        {"clip_exp", &C::clip_exp, "normalised gradients stay below steps to this power (0: no bound)", at_least(0)},
        weight_decay_field<C>(),
        {"decoupled", &C::decoupled, "decay the weights themselves, as AdamW"},
        maximize_field<C>()};
  }
};

/// The first gradient only fills the mean square.
struct AdoptFirstRule : Rule<2> {
  Real pull;
  template <class T>
  void operator()(T& p, const T& g, T&, T& square) const {
    const T d = g + pull * p;
    square = square + d * d;
  }
};

struct AdoptRule : Rule<2> {
  Real keep, pull, lr, mix1, beta2, mix2, eps, low, high;
  template <class T>
  void operator()(T& p, const T& g, T& mean, T& square) const {
    const T d = g + pull * p;
    const T normed = clamped(T(d / clamped(root(square), eps, std::numeric_limits<double>::infinity())), low, high);
    mean = mean + mix1 * (normed - mean);
    p = keep * p - lr * mean;
    square = beta2 * square + mix2 * (d * d);
  }
};

/// Adam that converges with any beta2: a gradient is normalised by those before it (Taniguchi et al. 2024,
/// arXiv:2411.02853).
class Adopt : public Optimizer {
 public:
  Adopt(const AdoptConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, {Slot::like("exp_avg"), Slot::like("exp_avg_sq")}), config_(config) {}

 protected:
  void update(Active& active) override {
    if (config_.maximize) active.use.scale *= -1;
    const auto decay = config_.weight_decay * active.decay_scale;
    const auto pull = config_.decoupled ? 0 : decay, keep = config_.decoupled ? 1 - active.lr * decay : 1;
    if (active.step == 1) {
      hadal::update(AdoptFirstRule{{}, pull}, active.tensors, active.use);
      return;
    }
    const auto bound = config_.clip_exp > 0 ? std::pow(static_cast<double>(active.step - 1), config_.clip_exp)
                                            : std::numeric_limits<double>::infinity();
    hadal::update(AdoptRule{{},
                            keep,
                            pull,
                            active.lr,
                            1 - active.momentum.value_or(config_.beta1),
                            config_.beta2,
                            1 - config_.beta2,
                            config_.eps,
                            -bound,
                            bound},
                  active.tensors, active.use);
  }

 private:
  AdoptConfig config_;
};

}  // namespace

void register_lion_adan(OptimizerCatalog& catalog) {
  catalog.add("lion", "steps by the sign of the momentum; wants a tenth of AdamW's rate", LionConfig{},
              [](const LionConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Lion>(config, std::move(groups));
              });
  catalog.add("adan", "Adam with Nesterov's momentum from differences of gradients", AdanConfig{},
              [](const AdanConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Adan>(config, std::move(groups));
              });
  catalog.add("adopt", "Adam that converges with any beta2", AdoptConfig{},
              [](const AdoptConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Adopt>(config, std::move(groups));
              });
}

}  // namespace hadal
