#include "hadal/optim/adam.h"

#include <cmath>

#include "hadal/ops/update.h"
#include "hadal/optim/methods.h"

namespace hadal {
namespace {

struct AdamRule : Rule<2> {
  Real keep, pull, mix1, beta2, mix2, step, inverse_root_bias2, eps;
  template <class T>
  void operator()(T& p, const T& g, T& mean, T& square) const {
    p = keep * p;
    const T d = g + pull * p;
    mean = mean + mix1 * (d - mean);
    square = beta2 * square + mix2 * (d * d);
    p = p - step * mean / (root(square) * inverse_root_bias2 + eps);
  }
};

/// Reddi et al. 2018 (arXiv:1904.09237): the largest mean square so far divides.
struct AmsgradRule : Rule<3> {
  Real keep, pull, mix1, beta2, mix2, step, inverse_root_bias2, eps;
  template <class T>
  void operator()(T& p, const T& g, T& mean, T& square, T& largest) const {
    p = keep * p;
    const T d = g + pull * p;
    mean = mean + mix1 * (d - mean);
    square = beta2 * square + mix2 * (d * d);
    largest = larger(largest, square);
    p = p - step * mean / (root(largest) * inverse_root_bias2 + eps);
  }
};

/// Adam (Kingma & Ba 2015, arXiv:1412.6980), and AdamW with decoupled decay (Loshchilov & Hutter 2019,
/// arXiv:1711.05101).
class Adam : public Optimizer {
 public:
  Adam(const AdamConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, slots(config.amsgrad)), config_(config) {}

 protected:
  void update(Active& active) override {
    adam_update(config_, active.lr, active.momentum.value_or(config_.beta1), config_.weight_decay * active.decay_scale,
                active.step, active.tensors, active.use);
  }

 private:
  static std::vector<Slot> slots(bool amsgrad) {
    std::vector<Slot> out = {Slot::like("exp_avg"), Slot::like("exp_avg_sq")};
    if (amsgrad) out.push_back(Slot::like("max_exp_avg_sq"));
    return out;
  }
  AdamConfig config_;
};

struct SparseAdamConfig {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  bool maximize = false;
  static Fields<SparseAdamConfig> fields() {
    using C = SparseAdamConfig;
    return {lr_field<C>(), beta1_field<C>(), beta2_field<C>(), eps_field<C>(), maximize_field<C>()};
  }
};

struct SparseAdamRule : Rule<2> {
  Real mix1, mix2, step, eps;
  template <class T>
  void operator()(T& p, const T& g, T& mean, T& square) const {
    mean = mean + mix1 * (g - mean);
    square = square + mix2 * (g * g - square);
    p = p - step * mean / (root(square) + eps);
  }
};

/// Adam that moves the rows of an embedding that had a gradient, and leaves the means of the others as they are, as
/// torch.optim.SparseAdam. A dense gradient names every row.
class SparseAdam : public Optimizer {
 public:
  SparseAdam(const SparseAdamConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, {Slot::like("exp_avg"), Slot::like("exp_avg_sq")}), config_(config) {}

 protected:
  void update(Active& active) override {
    if (config_.maximize) active.use.scale *= -1;
    const auto beta1 = active.momentum.value_or(config_.beta1);
    const auto [bias1, bias2, keep, pull] = adam_step(active.lr, beta1, config_.beta2, active.step, 0, false);
    hadal::update(SparseAdamRule{{}, 1 - beta1, 1 - config_.beta2, active.lr * std::sqrt(bias2) / bias1, config_.eps},
                  active.tensors, active.use);
  }
  bool takes_rows() const override { return true; }

 private:
  SparseAdamConfig config_;
};

}  // namespace

Fields<AdamConfig> AdamConfig::fields() {
  using C = AdamConfig;
  return {lr_field<C>(),
          beta1_field<C>(),
          beta2_field<C>(),
          eps_field<C>(),
          weight_decay_field<C>(),
          {"amsgrad", &C::amsgrad, "divide by the largest mean square so far"},
          maximize_field<C>(),
          {"decoupled_weight_decay", &C::decoupled_weight_decay, "decay the weights themselves, as AdamW"}};
}

AdamStep adam_step(double lr, double beta1, double beta2, int64_t step, double decay, bool decoupled) {
  const auto t = static_cast<double>(step);
  return {1 - std::pow(beta1, t), 1 - std::pow(beta2, t), decoupled ? 1 - lr * decay : 1, decoupled ? 0 : decay};
}

void adam_update(const AdamConfig& config, double lr, double beta1, double decay, int64_t step,
                 std::vector<Updated>& tensors, const GradientUse& use) {
  auto taken = use;
  if (config.maximize) taken.scale *= -1;
  const auto [bias1, bias2, keep, pull] =
      adam_step(lr, beta1, config.beta2, step, decay, config.decoupled_weight_decay);
  const auto make = [&, bias1 = bias1, bias2 = bias2, keep = keep, pull = pull]<class R>(R) {
    return R{{}, keep, pull, 1 - beta1, config.beta2, 1 - config.beta2, lr / bias1, 1 / std::sqrt(bias2), config.eps};
  };
  if (config.amsgrad)
    update(make(AmsgradRule()), tensors, taken);
  else
    update(make(AdamRule()), tensors, taken);
}

void register_adam(OptimizerCatalog& catalog) {
  const auto make = [](const AdamConfig& config, std::vector<ParamGroup> groups) {
    return std::make_unique<Adam>(config, std::move(groups));
  };
  catalog.add("adam", "Adam", AdamConfig{}, make);
  catalog.add("adamw", "Adam with decoupled weight decay",
              AdamConfig{.weight_decay = 0.01, .decoupled_weight_decay = true}, make);
  catalog.add("sparse_adam", "Adam for embeddings whose gradients are sparse", SparseAdamConfig{},
              [](const SparseAdamConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<SparseAdam>(config, std::move(groups));
              });
}

}  // namespace hadal
