#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>

#include "hadal/optim/optimizer.h"

namespace hadal {
namespace {

struct AdamConfig {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;

  static Fields<AdamConfig> fields() {
    return {{"lr", &AdamConfig::lr, "learning rate", at_least(0)},
            {"beta1", &AdamConfig::beta1, "decay of the mean of gradients", from_below(0, 1)},
            {"beta2", &AdamConfig::beta2, "decay of the mean of squared gradients", from_below(0, 1)},
            {"eps", &AdamConfig::eps, "added to the denominator", at_least(0)},
            {"weight_decay", &AdamConfig::weight_decay, "pull of the weights towards zero", at_least(0)}};
  }
};

/// Adam (Kingma & Ba 2015, arXiv:1412.6980), and AdamW with decoupled decay (Loshchilov & Hutter 2019,
/// arXiv:1711.05101), on LibTorch's fused kernel: one pass over memory for a whole group.
class Adam : public Optimizer {
 public:
  Adam(const AdamConfig& config, bool decoupled, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), {"exp_avg", "exp_avg_sq"}, config.lr), config_(config), decoupled_(decoupled) {}

 protected:
  void update(Active& active) override {
    // The kernel wants a step count per parameter, on the parameter's device; they may share one tensor.
    const auto step = at::full({}, static_cast<float>(steps()), active.params[0].options().dtype(torch::kFloat32));
    const std::vector<Tensor> counts(active.params.size(), step);
    const auto kernel = decoupled_ ? fused(&at::_fused_adamw_) : fused(&at::_fused_adam_);
    kernel(active.params, active.grads, active.state[0], active.state[1], {}, counts, active.lr,
           active.momentum.value_or(config_.beta1), config_.beta2, config_.weight_decay * active.decay_scale,
           config_.eps,
           /*amsgrad=*/false, /*maximize=*/false, std::nullopt, std::nullopt);
  }

 private:
  // Picks the overload that takes the rate as a number.
  using Kernel = void (*)(at::TensorList, at::TensorList, at::TensorList, at::TensorList, at::TensorList,
                          at::TensorList, double, double, double, double, double, bool, bool,
                          const std::optional<Tensor>&, const std::optional<Tensor>&);
  static Kernel fused(Kernel kernel) { return kernel; }

  AdamConfig config_;
  bool decoupled_;
};

struct SgdConfig {
  double lr = 1e-2, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false;

  static Fields<SgdConfig> fields() {
    return {{"lr", &SgdConfig::lr, "learning rate", at_least(0)},
            {"momentum", &SgdConfig::momentum, "share of the last step that is kept", from_below(0, 1)},
            {"dampening", &SgdConfig::dampening, "share of the gradient left out of the momentum", between(0, 1)},
            {"weight_decay", &SgdConfig::weight_decay, "pull of the weights towards zero", at_least(0)},
            {"nesterov", &SgdConfig::nesterov, "look ahead along the momentum"}};
  }
  void validate() const {
    require(!nesterov || (momentum > 0 && dampening == 0),
            "[sgd] nesterov wants momentum above 0 and no dampening; got momentum {} and dampening {}", momentum,
            dampening);
  }
};

/// Gradient descent with momentum (Sutskever et al. 2013), PyTorch's form.
class Sgd : public Optimizer {
 public:
  Sgd(const SgdConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups),
                  config.momentum > 0 ? std::vector<std::string>{"momentum_buffer"} : std::vector<std::string>{},
                  config.lr),
        config_(config) {}

 protected:
  void update(Active& active) override {
    const auto momentum = config_.momentum > 0 ? active.momentum.value_or(config_.momentum) : 0.0;
    const auto buffers = active.state.empty() ? std::vector<Tensor>{} : active.state[0];
    at::_fused_sgd_(active.params, active.grads, buffers, config_.weight_decay * active.decay_scale, momentum,
                    active.lr, config_.dampening, config_.nesterov, /*maximize=*/false, /*is_first_step=*/steps() == 1);
  }

 private:
  SgdConfig config_;
};

}  // namespace

const OptimizerCatalog& optimizers() {
  static const auto catalog = [] {
    OptimizerCatalog made("optimizer", "train.optimizer");
    made.add("adam", "Adam", AdamConfig{}, [](const AdamConfig& config, std::vector<ParamGroup> groups) {
      return std::make_unique<Adam>(config, false, std::move(groups));
    });
    made.add("adamw", "Adam with decoupled weight decay", AdamConfig{.weight_decay = 0.01},
             [](const AdamConfig& config, std::vector<ParamGroup> groups) {
               return std::make_unique<Adam>(config, true, std::move(groups));
             });
    made.add("sgd", "gradient descent with momentum", SgdConfig{},
             [](const SgdConfig& config, std::vector<ParamGroup> groups) {
               return std::make_unique<Sgd>(config, std::move(groups));
             });
    return made;
  }();
  return catalog;
}

}  // namespace hadal
