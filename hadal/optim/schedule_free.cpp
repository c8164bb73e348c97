#include <cmath>

#include "hadal/ops/update.h"
#include "hadal/optim/adam.h"
#include "hadal/optim/methods.h"

namespace hadal {
namespace {

struct ScheduleFreeConfig {
  double lr = 2.5e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, r = 0, weight_lr_power = 2;
  int64_t warmup_steps = 0;
  static Fields<ScheduleFreeConfig> fields() {
    using C = ScheduleFreeConfig;
    return {lr_field<C>(),
            {"beta1",
             &C::beta1,
             "how far towards the average gradients are taken",
             {.low = 0, .high = 1, .low_open = true, .high_open = true}},
            beta2_field<C>(),
            eps_field<C>(),
            weight_decay_field<C>(),
            {"warmup_steps", &C::warmup_steps, "steps in which the rate rises from 0", at_least(0)},
            {"r", &C::r, "weight of a step in the average grows with this power of its number", at_least(0)},
            {"weight_lr_power", &C::weight_lr_power, "and with this power of the largest rate so far", at_least(0)}};
  }
};

/// p is y, where gradients are taken.
struct ScheduleFreeRule : Rule<2> {
  Real beta2, mix2, inverse_bias2, eps, pull, mix, back, lr;
  template <class T>
  void operator()(T& p, const T& g, T& z, T& square) const {
    square = beta2 * square + mix2 * (g * g);
    const T step = g / (root(square * inverse_bias2) + eps) + pull * p;
    p = p + mix * (z - p) - back * step;
    z = z - lr * step;
  }
};

/// Schedule-free AdamW (Defazio et al. 2024, arXiv:2405.15682). Training moves y = (1 - beta1) z + beta1 x; x, the
/// average of z, is what is scored and saved. With a constant schedule.
class ScheduleFree : public Optimizer {
 public:
  ScheduleFree(const ScheduleFreeConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr,
                  {{"z", [](const std::string&, const Tensor& value) { return value.detach().clone(); }},
                   Slot::like("exp_avg_sq")},
                  {{"weight_sum"}, {"lr_max"}}),
        config_(config) {}
  bool averages() const override { return true; }

 protected:
  void update(Active& active) override {
    const auto& c = config_;
    const auto step = static_cast<double>(active.step);
    const auto warm = active.step <= c.warmup_steps ? step / static_cast<double>(c.warmup_steps) : 1.0;
    const auto lr = active.lr * warm;
    auto &weight_sum = active.numbers[0], &lr_max = active.numbers[1];
    lr_max = std::max(lr_max, lr);
    const auto weight = std::pow(step, c.r) * std::pow(lr_max, c.weight_lr_power);
    weight_sum += weight;
    const auto mix = weight_sum > 0 ? weight / weight_sum : 0.0;
    hadal::update(ScheduleFreeRule{{},
                                   c.beta2,
                                   1 - c.beta2,
                                   1 / (1 - std::pow(c.beta2, step)),
                                   c.eps,
                                   c.weight_decay * active.decay_scale,
                                   mix,
                                   lr * (1 - c.beta1 * (1 - mix)),
                                   lr},
                  active.tensors, active.use);
  }

  void swap_scored(bool scored) override {
    const torch::NoGradGuard no_grad;
    if (scored) {
      for (auto& group : ready())
        for (size_t i = 0; i < group.params.size(); ++i) {
          auto param = group.given.params[i].second;
          auto& tensors = group.params[i].tensors;
          trained_.push_back(param.detach().clone());
          const auto& y = tensors.master.defined() ? tensors.master : trained_.back();
          param.copy_(y + (1 - 1 / config_.beta1) * (tensors.state[0] - y));
        }
      return;
    }
    size_t i = 0;
    for (auto& group : ready())
      for (auto& [name, param] : group.given.params) Tensor(param).copy_(trained_[i++]);
    trained_.clear();
  }

 private:
  ScheduleFreeConfig config_;
  std::vector<Tensor> trained_;  // while the average is in the parameters
};

}  // namespace

void register_schedule_free(OptimizerCatalog& catalog) {
  catalog.add("schedule_free_adamw", "AdamW that averages instead of lowering its rate; wants a constant schedule",
              ScheduleFreeConfig{}, [](const ScheduleFreeConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<ScheduleFree>(config, std::move(groups));
              });
}

}  // namespace hadal
