#include <cmath>

#include "hadal/ops/update.h"
#include "hadal/optim/adam.h"
#include "hadal/optim/methods.h"

namespace hadal {
namespace {

struct AdamaxConfig {
  double lr = 2e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool maximize = false;
  static Fields<AdamaxConfig> fields() {
    using C = AdamaxConfig;
    return {lr_field<C>(),
            beta1_field<C>(),
            {"beta2", &C::beta2, "decay of the largest gradient so far", from_below(0, 1)},
            {"eps", &C::eps, "least size of a gradient", at_least(0)},
            weight_decay_field<C>(),
            maximize_field<C>()};
  }
};

struct AdamaxRule : Rule<2> {
  Real pull, mix1, beta2, eps, step;
  template <class T>
  void operator()(T& p, const T& g, T& mean, T& largest) const {
    const T d = g + pull * p;
    mean = mean + mix1 * (d - mean);
    largest = larger(T(beta2 * largest), T(magnitude(d) + eps));
    p = p - step * mean / largest;
  }
};

/// Kingma & Ba 2015 (arXiv:1412.6980), section 7.1.
class Adamax : public Optimizer {
 public:
  Adamax(const AdamaxConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, {Slot::like("exp_avg"), Slot::like("exp_inf")}), config_(config) {}

 protected:
  void update(Active& active) override {
    if (config_.maximize) active.use.scale *= -1;
    const auto beta1 = active.momentum.value_or(config_.beta1), bias1 = 1 - std::pow(beta1, active.step);
    hadal::update(
        AdamaxRule{
            {}, config_.weight_decay * active.decay_scale, 1 - beta1, config_.beta2, config_.eps, active.lr / bias1},
        active.tensors, active.use);
  }

 private:
  AdamaxConfig config_;
};

struct NadamConfig {
  double lr = 2e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, momentum_decay = 4e-3;
  bool decoupled_weight_decay = false, maximize = false;
  static Fields<NadamConfig> fields() {
    using C = NadamConfig;
    return {lr_field<C>(),
            beta1_field<C>(),
            beta2_field<C>(),
            eps_field<C>(),
            weight_decay_field<C>(),
            {"momentum_decay", &C::momentum_decay, "how fast beta1 warms up", at_least(0)},
            {"decoupled_weight_decay", &C::decoupled_weight_decay, "decay the weights themselves, as AdamW"},
            maximize_field<C>()};
  }
};

struct NadamRule : Rule<2> {
  Real keep, pull, mix1, beta2, mix2, inverse_bias2, eps, by_gradient, by_mean;
  template <class T>
  void operator()(T& p, const T& g, T& mean, T& square) const {
    p = keep * p;
    const T d = g + pull * p;
    mean = mean + mix1 * (d - mean);
    square = beta2 * square + mix2 * (d * d);
    p = p - (by_gradient * d + by_mean * mean) / (root(square * inverse_bias2) + eps);
  }
};

/// Adam with Nesterov's momentum (Dozat 2016), with PyTorch's momentum schedule.
class Nadam : public Optimizer {
 public:
  Nadam(const NadamConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, {Slot::like("exp_avg"), Slot::like("exp_avg_sq")}, {{"mu_product", 1}}),
        config_(config) {}

 protected:
  void update(Active& active) override {
    if (config_.maximize) active.use.scale *= -1;
    const auto beta1 = active.momentum.value_or(config_.beta1);
    const auto momentum_at = [&](int64_t step) {
      return beta1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(step) * config_.momentum_decay));
    };
    const auto now = momentum_at(active.step), next = momentum_at(active.step + 1);
    auto& product = active.numbers[0];
    product *= now;
    const auto [bias1, bias2, keep, pull] =
        adam_step(active.lr, beta1, config_.beta2, active.step, config_.weight_decay * active.decay_scale,
                  config_.decoupled_weight_decay);
    hadal::update(NadamRule{{},
                            keep,
                            pull,
                            1 - beta1,
                            config_.beta2,
                            1 - config_.beta2,
                            1 / bias2,
                            config_.eps,
                            active.lr * (1 - now) / (1 - product),
                            active.lr * next / (1 - product * next)},
                  active.tensors, active.use);
  }

 private:
  NadamConfig config_;
};

struct RadamConfig {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool decoupled_weight_decay = false, maximize = false;
  static Fields<RadamConfig> fields() {
    using C = RadamConfig;
    return {lr_field<C>(),
            beta1_field<C>(),
            beta2_field<C>(),
            eps_field<C>(),
            weight_decay_field<C>(),
            {"decoupled_weight_decay", &C::decoupled_weight_decay, "decay the weights themselves, as AdamW"},
            maximize_field<C>()};
  }
};

struct RadamRule : Rule<2> {
  Real keep, pull, mix1, beta2, mix2, eps, plain, adaptive;
  template <class T>
  void operator()(T& p, const T& g, T& mean, T& square) const {
    p = keep * p;
    const T d = g + pull * p;
    mean = mean + mix1 * (d - mean);
    square = beta2 * square + mix2 * (d * d);
    p = p - mean * (adaptive / (root(square) + eps) + plain);
  }
};

/// Adam that trusts its second moment only once enough of it was seen (Liu et al. 2020, arXiv:1908.03265).
class Radam : public Optimizer {
 public:
  Radam(const RadamConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, {Slot::like("exp_avg"), Slot::like("exp_avg_sq")}), config_(config) {}

 protected:
  void update(Active& active) override {
    if (config_.maximize) active.use.scale *= -1;
    const auto beta1 = active.momentum.value_or(config_.beta1), beta2 = config_.beta2;
    const auto [bias1, bias2, keep, pull] =
        adam_step(active.lr, beta1, beta2, active.step, config_.weight_decay * active.decay_scale,
                  config_.decoupled_weight_decay);
    const auto t = static_cast<double>(active.step);
    const auto most = 2 / (1 - beta2) - 1, length = most - 2 * t * std::pow(beta2, t) / bias2;
    const auto rate = active.lr / bias1;
    double plain = rate, adaptive = 0;
    if (length > 5) {
      const auto rectified = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length);
      plain = 0;
      adaptive = rate * std::sqrt(rectified) * std::sqrt(bias2);
    }
    hadal::update(RadamRule{{}, keep, pull, 1 - beta1, beta2, 1 - beta2, config_.eps, plain, adaptive}, active.tensors,
                  active.use);
  }

 private:
  RadamConfig config_;
};

}  // namespace

void register_adam_kin(OptimizerCatalog& catalog) {
  catalog.add("adamax", "Adam with the largest gradient instead of the mean square", AdamaxConfig{},
              [](const AdamaxConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Adamax>(config, std::move(groups));
              });
  catalog.add("nadam", "Adam with Nesterov's momentum", NadamConfig{},
              [](const NadamConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Nadam>(config, std::move(groups));
              });
  catalog.add("radam", "Adam that warms up by itself", RadamConfig{},
              [](const RadamConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Radam>(config, std::move(groups));
              });
}

}  // namespace hadal
