#include <cmath>

#include "hadal/ops/update.h"
#include "hadal/optim/adam.h"
#include "hadal/optim/methods.h"

namespace hadal {
namespace {

struct SgdConfig {
  double lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;

  static Fields<SgdConfig> fields() {
    using C = SgdConfig;
    return {lr_field<C>(),
            {"momentum", &C::momentum, "share of the last step that is kept", from_below(0, 1)},
            {"dampening", &C::dampening, "share of the gradient left out of the momentum", between(0, 1)},
            weight_decay_field<C>(),
            {"nesterov", &C::nesterov, "look ahead along the momentum"},
            maximize_field<C>()};
  }
  void validate() const {
    require(!nesterov || (momentum > 0 && dampening == 0),
            "[sgd] nesterov wants momentum above 0 and no dampening; got momentum {} and dampening {}", momentum,
            dampening);
  }
};

struct DescentRule : Rule<0> {
  Real lr, pull;
  template <class T>
  void operator()(T& p, const T& g) const {
    p = p - lr * (g + pull * p);
  }
};

struct MomentumRule : Rule<1> {
  Real lr, pull, keep, fresh, by_gradient, by_momentum;
  template <class T>
  void operator()(T& p, const T& g, T& velocity) const {
    const T d = g + pull * p;
    velocity = keep * velocity + fresh * d;
    p = p - lr * (by_gradient * d + by_momentum * velocity);
  }
};

/// Gradient descent with momentum (Sutskever et al. 2013), PyTorch's form: the first step is not dampened.
class Sgd : public Optimizer {
 public:
  Sgd(const SgdConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr,
                  config.momentum > 0 ? std::vector{Slot::like("momentum_buffer")} : std::vector<Slot>{}),
        config_(config) {}

 protected:
  void update(Active& active) override {
    if (config_.maximize) active.use.scale *= -1;
    const auto pull = config_.weight_decay * active.decay_scale;
    if (config_.momentum == 0) {
      hadal::update(DescentRule{{}, active.lr, pull}, active.tensors, active.use);
      return;
    }
    const auto [keep, fresh, by_gradient, by_momentum] = momentum_step(
        active.momentum.value_or(config_.momentum), config_.dampening, config_.nesterov, active.step == 1);
    hadal::update(MomentumRule{{}, active.lr, pull, keep, fresh, by_gradient, by_momentum}, active.tensors, active.use);
  }
  bool takes_rows() const override { return config_.momentum == 0 && config_.weight_decay == 0; }

 private:
  SgdConfig config_;
};

struct AsgdConfig {
  double lr = 1e-2, lambd = 1e-4, alpha = 0.75, t0 = 1e6, weight_decay = 0;
  bool maximize = false;
  static Fields<AsgdConfig> fields() {
    using C = AsgdConfig;
    return {lr_field<C>(),
            {"lambd", &C::lambd, "decay of the weights and of the rate", at_least(0)},
            {"alpha", &C::alpha, "power of the rate's decay", at_least(0)},
            {"t0", &C::t0, "step at which averaging begins", at_least(0)},
            weight_decay_field<C>(),
            maximize_field<C>()};
  }
};

struct AsgdRule : Rule<1> {
  Real eta, pull, keep, mix;
  template <class T>
  void operator()(T& p, const T& g, T& average) const {
    const T d = g + pull * p;
    p = keep * p - eta * d;
    average = average + mix * (p - average);
  }
};

/// Averaged gradient descent (Polyak & Juditsky 1992), PyTorch's form: the average is kept as the state "ax".
class Asgd : public Optimizer {
 public:
  Asgd(const AsgdConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, {Slot::like("ax")}, {{"eta"}, {"mu", 1}}), config_(config) {}

 protected:
  void update(Active& active) override {
    if (config_.maximize) active.use.scale *= -1;
    auto &eta = active.numbers[0], &mu = active.numbers[1];
    if (active.step == 1) eta = active.lr;
    hadal::update(AsgdRule{{}, eta, config_.weight_decay * active.decay_scale, 1 - config_.lambd * eta, mu},
                  active.tensors, active.use);
    const auto t = static_cast<double>(active.step);
    eta = active.lr / std::pow(1 + config_.lambd * active.lr * t, config_.alpha);
    mu = 1 / std::max(1.0, t - config_.t0);
  }

 private:
  AsgdConfig config_;
};

struct RpropConfig {
  double lr = 1e-2, etaminus = 0.5, etaplus = 1.2, step_size_min = 1e-6, step_size_max = 50;
  bool maximize = false;
  static Fields<RpropConfig> fields() {
    using C = RpropConfig;
    return {{"lr", &C::lr, "the first step of every weight; a schedule does not change later ones", at_least(0)},
            {"etaminus",
             &C::etaminus,
             "factor of a weight's step where its gradient turned",
             {.low = 0, .high = 1, .low_open = true, .high_open = true}},
            {"etaplus", &C::etaplus, "factor of a weight's step where its gradient did not turn", above(1)},
            {"step_size_min", &C::step_size_min, "shortest step", at_least(0)},
            {"step_size_max", &C::step_size_max, "longest step", above(0)},
            maximize_field<C>()};
  }
  void validate() const {
    require(step_size_min <= step_size_max, "[rprop] step_size_min ({}) must not exceed step_size_max ({})",
            step_size_min, step_size_max);
  }
};

struct RpropRule : Rule<2> {
  Real minus, plus, least, most, first;  // first: added to the step, which is 0 before
  template <class T>
  void operator()(T& p, const T& g, T& before, T& step) const {
    const T turn = g * before;
    step = clamped((step + first) * by_sign(turn, minus, plus), least, most);
    before = unless_negative(turn, g);
    p = p - signum(before) * step;
  }
};

/// Steps by the sign of the gradient, each weight with a step of its own (Riedmiller & Braun 1993). For whole batches.
class Rprop : public Optimizer {
 public:
  Rprop(const RpropConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, {Slot::like("prev"), Slot::like("step_size")}), config_(config) {}
  bool follows_rate() const override { return false; }

 protected:
  void update(Active& active) override {
    if (config_.maximize) active.use.scale *= -1;
    const auto first = active.step == 1 ? active.lr : 0;
    hadal::update(RpropRule{{}, config_.etaminus, config_.etaplus, config_.step_size_min, config_.step_size_max, first},
                  active.tensors, active.use);
  }

 private:
  RpropConfig config_;
};

}  // namespace

void register_sgd(OptimizerCatalog& catalog) {
  catalog.add("sgd", "gradient descent with momentum", SgdConfig{},
              [](const SgdConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Sgd>(config, std::move(groups));
              });
  catalog.add("asgd", "averaged gradient descent", AsgdConfig{},
              [](const AsgdConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Asgd>(config, std::move(groups));
              });
  catalog.add("rprop", "steps by the gradient's sign alone, for whole batches", RpropConfig{},
              [](const RpropConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Rprop>(config, std::move(groups));
              });
}

}  // namespace hadal
