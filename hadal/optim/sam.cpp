#include <cmath>

#include "hadal/optim/clip.h"
#include "hadal/optim/methods.h"

namespace hadal {
namespace {

struct SamConfig {
  Part base{"sgd", {}};
  double rho = 0.05;
  bool adaptive = false;
  static Fields<SamConfig> fields() {
    using C = SamConfig;
    return {{"base", &C::base, "the optimiser that takes the steps", optimizer_catalog().kinds()},
            {"rho", &C::rho, "how far from the weights gradients are taken", above(0)},
            {"adaptive", &C::adaptive, "measure that distance by each weight's size (Kwon et al. 2021)"}};
  }
};

/// Sharpness-aware minimisation (Foret et al. 2021, arXiv:2010.01412; adaptive: Kwon et al. 2021, arXiv:2102.11600):
/// the base optimiser steps with the gradients of the worst point nearby.
class Sam : public Optimizer {
 public:
  Sam(const SamConfig& config, std::vector<ParamGroup> groups, std::unique_ptr<Optimizer> base)
      : Optimizer(std::move(groups), base->lr(), {}), config_(config), base_(std::move(base)) {
    require(!base_->needs_closure(), "[sam] base = \"{}\" evaluates the loss again itself; take one that does not",
            config_.base.name);
    const auto settings = optimizer_catalog().resolve(config_.base).settings;
    const auto* maximize = settings.find("maximize");
    require(!maximize || !read_flag(*maximize, "maximize"),
            "[sam] looks for the worst point nearby, which is another one for base.maximize; leave that out");
  }
  bool needs_closure() const override { return true; }
  bool averages() const override { return base_->averages(); }
  bool follows_rate() const override { return base_->follows_rate(); }

  bool step(const Rates& rates, const Evaluation&, const Closure& again) override {
    require(static_cast<bool>(again), "[sam] a step evaluates the loss twice: give it a closure");
    std::vector<std::pair<Tensor, Tensor>> moved;  // parameter, value before
    {
      const torch::NoGradGuard no_grad;
      std::vector<Tensor> ways;
      double square = 0;
      for (const auto& param : parameters()) {
        if (!param.grad().defined()) continue;
        const auto& grad = param.grad();
        const auto size = (config_.adaptive ? grad * param : grad).norm().to(at::kDouble).item<double>();
        square += size * size;
        ways.push_back(config_.adaptive ? grad * param.square() : grad);
        moved.emplace_back(param, param.clone());
      }
      const auto length = config_.rho / (std::sqrt(square) + 1e-12);
      for (size_t i = 0; i < moved.size(); ++i) moved[i].first.add_(ways[i], length);
    }
    const auto there = again();
    {
      const torch::NoGradGuard no_grad;
      for (auto& [param, before] : moved) param.copy_(before);
    }
    return there.finite && base_->step(rates, there);
  }

  TensorsByName state() const override { return base_->state(); }
  void load_state(const TensorsByName& state) override { base_->load_state(state); }

 protected:
  void update(Active&) override {}
  void swap_scored(bool scored) override { base_->show_scored(scored); }

 private:
  SamConfig config_;
  std::unique_ptr<Optimizer> base_;
};

}  // namespace

void register_sam(OptimizerCatalog& catalog) {
  catalog.add("sam", "flat minima: steps with the gradients of the worst point nearby, around any other optimiser",
              SamConfig{}, [&catalog](const SamConfig& config, std::vector<ParamGroup> groups) {
                auto base = catalog.make_at("train.optimizer.base", config.base, groups);
                return std::make_unique<Sam>(config, std::move(groups), std::move(base));
              });
}

}  // namespace hadal
