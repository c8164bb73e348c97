#include <algorithm>
#include <cmath>

#include "hadal/ops/update.h"
#include "hadal/optim/adam.h"
#include "hadal/optim/methods.h"

namespace hadal {
namespace {

struct MuonConfig {
  double lr = 1e-3, weight_decay = 0.1, momentum = 0.95, eps = 1e-7;
  bool nesterov = true;
  std::vector<double> ns_coefficients = {3.4445, -4.775, 2.0315};
  int64_t ns_steps = 5;
  std::string adjust_lr_fn = "original";
  std::vector<std::string> adamw_for = {"*embed*",
                                        "*relative_attention_bias*",
                                        "*token*",
                                        "wte.*",
                                        "wpe.*",
                                        "*.wte.*",
                                        "*.wpe.*",
                                        "positions",
                                        "position_enc",
                                        "*.positions",
                                        "*.position_enc",
                                        "head*",
                                        "*.head*",
                                        "classifier*",
                                        "*lm_head*",
                                        "fc.weight",
                                        "output.weight",
                                        "linear.weight",
                                        "projection.weight"};
  AdamConfig adamw = {.weight_decay = 0.01, .decoupled_weight_decay = true};

  static Fields<MuonConfig> fields() {
    using C = MuonConfig;
    return {{"lr", &C::lr, "learning rate of matrices", above(0)},
            {"weight_decay", &C::weight_decay, "pull of matrices towards zero", at_least(0)},
            {"momentum", &C::momentum, "share of the last gradients that is kept", from_below(0, 1)},
            {"nesterov", &C::nesterov, "look ahead along the momentum"},
            {"ns_coefficients", &C::ns_coefficients, "of the Newton-Schulz iteration"},
            {"eps", &C::eps, "least norm that a gradient is divided by", at_least(0)},
            {"ns_steps", &C::ns_steps, "Newton-Schulz iterations", between(1, 99)},
            {"adjust_lr_fn", &C::adjust_lr_fn, "rate by a matrix's shape", one_of({"original", "match_rms_adamw"})},
            {"adamw_for", &C::adamw_for, "matrices that AdamW moves, by name; vectors it moves anyway"},
            {"adamw", &C::adamw, "settings of AdamW for those"}};
  }
  void validate() const {
    require(ns_coefficients.size() == 3, "[muon] ns_coefficients wants 3 numbers, got {}", ns_coefficients.size());
    require(!adamw.maximize, "[muon] adamw.maximize would climb with vectors while matrices descend; leave it out");
  }
  bool is_hidden(const std::string& name, const Tensor& value) const {
    return value.dim() >= 2 && std::none_of(adamw_for.begin(), adamw_for.end(),
                                            [&](const auto& pattern) { return matches_pattern(name, pattern); });
  }
};

/// Momentum made orthogonal (Jordan et al. 2024; torch.optim.Muon) for hidden matrices, AdamW for the rest. Kernels of
/// convolutions count as matrices of their outputs' rows.
class Muon : public Optimizer {
 public:
  Muon(const MuonConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, slots(config)), config_(config) {}

 protected:
  void update(Active& active) override {
    std::vector<Updated> rest;
    const auto momentum = active.momentum.value_or(config_.momentum);
    for (auto& u : active.tensors)
      if (u.state[0].defined())
        move(u, active, momentum);
      else
        rest.push_back({u.param, u.grad, u.master, {u.state.begin() + 1, u.state.end()}});
    if (rest.empty()) return;
    adam_update(config_.adamw, config_.adamw.lr * active.lr / config_.lr, config_.adamw.beta1,
                config_.adamw.weight_decay * active.decay_scale, active.step, rest, active.use);
  }

 private:
  static std::vector<Slot> slots(const MuonConfig& config) {
    std::vector<Slot> out = {slot("momentum_buffer", config, true), slot("exp_avg", config, false),
                             slot("exp_avg_sq", config, false)};
    if (config.adamw.amsgrad) out.push_back(slot("max_exp_avg_sq", config, false));
    return out;
  }
  static Slot slot(const std::string& name, const MuonConfig& config, bool hidden) {
    return {name, [config, hidden](const std::string& param, const Tensor& value) {
              return config.is_hidden(param, value) == hidden ? at::zeros_like(value, at::MemoryFormat::Preserve)
                                                              : Tensor();
            }};
  }

  void move(Updated& u, const Active& active, double momentum) const {
    auto value = u.value(), buffer = u.state[0];
    const auto grad = active.use.of(u);
    buffer.lerp_(grad, 1 - momentum);
    const auto step = orthogonal((config_.nesterov ? grad.lerp(buffer, momentum) : buffer).flatten(1));
    const auto rows = static_cast<double>(step.size(0)), columns = static_cast<double>(step.size(1));
    const auto adjust = config_.adjust_lr_fn == "original" ? std::sqrt(std::max(1.0, rows / columns))
                                                           : 0.2 * std::sqrt(std::max(rows, columns));
    value.mul_(1 - active.lr * config_.weight_decay * active.decay_scale);
    value.add_(step.view(value.sizes()), -active.lr * adjust);
    update_detail::round_master(u);
    if (active.use.zero) u.grad.zero_();
  }

  /// A matrix with the singular vectors of `matrix` and singular values near 1, by a quintic Newton-Schulz iteration.
  Tensor orthogonal(const Tensor& matrix) const {
    const auto a = config_.ns_coefficients[0], b = config_.ns_coefficients[1], c = config_.ns_coefficients[2];
    const bool tall = matrix.size(0) > matrix.size(1);
    auto x = tall ? matrix.t().contiguous() : matrix;
    x = x / x.norm().clamp_min(config_.eps);
    for (int64_t i = 0; i < config_.ns_steps; ++i) {
      const auto gram = at::mm(x, x.t());
      x = at::addmm(x, at::addmm(gram, gram, gram, b, c), x, a, 1);
    }
    return tall ? x.t().contiguous() : x;
  }

  MuonConfig config_;
};

}  // namespace

void register_muon(OptimizerCatalog& catalog) {
  catalog.add("muon", "orthogonal momentum for hidden matrices, AdamW for the rest", MuonConfig{},
              [](const MuonConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Muon>(config, std::move(groups));
              });
}

}  // namespace hadal
