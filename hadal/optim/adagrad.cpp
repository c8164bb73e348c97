#include <cmath>

#include "hadal/ops/update.h"
#include "hadal/optim/adam.h"
#include "hadal/optim/methods.h"

namespace hadal {
namespace {

struct AdagradConfig {
  double lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0, eps = 1e-10;
  bool maximize = false;
  static Fields<AdagradConfig> fields() {
    using C = AdagradConfig;
    return {lr_field<C>(),
            {"lr_decay", &C::lr_decay, "the rate is divided by 1 + this x steps", at_least(0)},
            weight_decay_field<C>(),
            {"initial_accumulator_value", &C::initial_accumulator_value, "first sum of squared gradients", at_least(0)},
            eps_field<C>(),
            maximize_field<C>()};
  }
};

struct AdagradRule : Rule<1> {
  Real lr, pull, eps;
  template <class T>
  void operator()(T& p, const T& g, T& sum) const {
    const T d = g + pull * p;
    sum = sum + d * d;
    p = p - lr * d / (root(sum) + eps);
  }
};

/// Duchi et al. 2011: the rate falls with the sum of squared gradients.
class Adagrad : public Optimizer {
 public:
  Adagrad(const AdagradConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, {Slot::like("sum", config.initial_accumulator_value)}),
        config_(config) {}

 protected:
  void update(Active& active) override {
    if (config_.maximize) active.use.scale *= -1;
    const auto lr = active.lr / (1 + static_cast<double>(active.step - 1) * config_.lr_decay);
    hadal::update(AdagradRule{{}, lr, config_.weight_decay * active.decay_scale, config_.eps}, active.tensors,
                  active.use);
  }
  bool takes_rows() const override { return config_.weight_decay == 0; }

 private:
  AdagradConfig config_;
};

struct AdadeltaConfig {
  double lr = 1, rho = 0.9, eps = 1e-6, weight_decay = 0;
  bool maximize = false;
  static Fields<AdadeltaConfig> fields() {
    using C = AdadeltaConfig;
    return {lr_field<C>(),
            {"rho", &C::rho, "decay of the means of squared gradients and squared steps", between(0, 1)},
            eps_field<C>(),
            weight_decay_field<C>(),
            maximize_field<C>()};
  }
};

struct AdadeltaRule : Rule<2> {
  Real lr, pull, rho, mix, eps;
  template <class T>
  void operator()(T& p, const T& g, T& square, T& moved) const {
    const T d = g + pull * p;
    square = rho * square + mix * (d * d);
    const T delta = root(moved + eps) / root(square + eps) * d;
    moved = rho * moved + mix * (delta * delta);
    p = p - lr * delta;
  }
};

/// Zeiler 2012 (arXiv:1212.5701): steps in the weights' own units.
class Adadelta : public Optimizer {
 public:
  Adadelta(const AdadeltaConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, {Slot::like("square_avg"), Slot::like("acc_delta")}), config_(config) {}

 protected:
  void update(Active& active) override {
    if (config_.maximize) active.use.scale *= -1;
    hadal::update(
        AdadeltaRule{
            {}, active.lr, config_.weight_decay * active.decay_scale, config_.rho, 1 - config_.rho, config_.eps},
        active.tensors, active.use);
  }

 private:
  AdadeltaConfig config_;
};

struct RmspropConfig {
  double lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0;
  bool centered = false, maximize = false;
  static Fields<RmspropConfig> fields() {
    using C = RmspropConfig;
    return {lr_field<C>(),
            {"alpha", &C::alpha, "decay of the mean of squared gradients", between(0, 1)},
            eps_field<C>(),
            weight_decay_field<C>(),
            {"momentum", &C::momentum, "share of the last step that is kept", from_below(0, 1)},
            {"centered", &C::centered, "divide by the variance instead of the mean square"},
            maximize_field<C>()};
  }
};

/// State: the mean square, then the mean (centered), then the momentum.
template <bool Centered, bool Momentum>
struct RmspropRule : Rule<1 + Centered + Momentum> {
  Real lr, pull, alpha, mix, eps, momentum;
  template <class T, class... Rest>
  void operator()(T& p, const T& g, T& square, Rest&... rest) const {
    const T d = g + pull * p;
    square = alpha * square + mix * (d * d);
    const T size = root(centre(square, d, rest...)) + eps;
    move(p, d / size, rest...);
  }

 private:
  template <class T, class... Rest>
  T centre(const T& square, const T& d, Rest&... rest) const {
    if constexpr (Centered) {
      auto& mean = first(rest...);
      mean = mean + mix * (d - mean);
      return square - mean * mean;
    } else {
      return square;
    }
  }
  template <class T, class... Rest>
  void move(T& p, const T& step, Rest&... rest) const {
    if constexpr (Momentum) {
      auto& velocity = last(rest...);
      velocity = momentum * velocity + step;
      p = p - lr * velocity;
    } else {
      p = p - lr * step;
    }
  }
  template <class T, class... Rest>
  static T& first(T& t, Rest&...) {
    return t;
  }
  template <class T, class... Rest>
  static T& last(T& t, Rest&... rest) {
    if constexpr (sizeof...(rest) == 0)
      return t;
    else
      return last(rest...);
  }
};

/// Hinton's lecture 6e of 2012; centered: Graves 2013 (arXiv:1308.0850).
class Rmsprop : public Optimizer {
 public:
  Rmsprop(const RmspropConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, slots(config)), config_(config) {}

 protected:
  void update(Active& active) override {
    if (config_.maximize) active.use.scale *= -1;
    // A schedule's 0 leaves the velocity alone, as in PyTorch.
    const auto momentum = config_.momentum > 0 ? active.momentum.value_or(config_.momentum) : 0;
    const auto run = [&]<class R>(R rule) {
      rule.lr = active.lr;
      rule.pull = config_.weight_decay * active.decay_scale;
      rule.alpha = config_.alpha;
      rule.mix = 1 - config_.alpha;
      rule.eps = config_.eps;
      rule.momentum = momentum;
      hadal::update(rule, active.tensors, active.use);
    };
    if (config_.centered)
      momentum > 0 ? run(RmspropRule<true, true>()) : run(RmspropRule<true, false>());
    else
      momentum > 0 ? run(RmspropRule<false, true>()) : run(RmspropRule<false, false>());
  }

 private:
  static std::vector<Slot> slots(const RmspropConfig& config) {
    std::vector<Slot> out = {Slot::like("square_avg")};
    if (config.centered) out.push_back(Slot::like("grad_avg"));
    if (config.momentum > 0) out.push_back(Slot::like("momentum_buffer"));
    return out;
  }
  RmspropConfig config_;
};

}  // namespace

void register_adagrad(OptimizerCatalog& catalog) {
  catalog.add("adagrad", "rates that fall with the gradients seen", AdagradConfig{},
              [](const AdagradConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Adagrad>(config, std::move(groups));
              });
  catalog.add("adadelta", "steps in the weights' own units", AdadeltaConfig{},
              [](const AdadeltaConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Adadelta>(config, std::move(groups));
              });
  catalog.add("rmsprop", "gradients divided by their size of late", RmspropConfig{},
              [](const RmspropConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Rmsprop>(config, std::move(groups));
              });
}

}  // namespace hadal
