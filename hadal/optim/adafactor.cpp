#include <cmath>
#include <limits>

#include "hadal/ops/update.h"
#include "hadal/optim/adam.h"
#include "hadal/optim/methods.h"

namespace hadal {
namespace {

struct AdafactorConfig {
  double lr = 1e-2, beta2_decay = -0.8, eps1 = 0, eps2 = 1e-3, d = 1, weight_decay = 0;
  bool maximize = false;
  static Fields<AdafactorConfig> fields() {
    using C = AdafactorConfig;
    return {lr_field<C>(),
            {"beta2_decay", &C::beta2_decay, "a gradient's share in the mean squares is steps to this power",
             Limit{.high = 0}},
            {"eps1", &C::eps1, "least root of a mean square (0: the number type's own)", at_least(0)},
            {"eps2", &C::eps2, "least size of a weight that steps are measured by", at_least(0)},
            {"d", &C::d, "largest root mean square of a step before the rate", at_least(1)},
            weight_decay_field<C>(),
            maximize_field<C>()};
  }
};

/// value with the size of dimension `dim` (from the end) 1; undefined for vectors.
Tensor without(const Tensor& value, size_t dim) {
  if (value.dim() < 2) return {};
  auto sizes = value.sizes().vec();
  sizes[sizes.size() - dim] = 1;
  return at::zeros(sizes, value.options());
}

/// Shazeer & Stern 2018 (arXiv:1804.04235), PyTorch's form: of a matrix's mean squares only those of rows and columns
/// are kept.
class Adafactor : public Optimizer {
 public:
  Adafactor(const AdafactorConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(
            std::move(groups), config.lr,
            {{"row_var", [](const std::string&, const Tensor& value) { return without(value, 1); }},
             {"col_var", [](const std::string&, const Tensor& value) { return without(value, 2); }},
             {"variance", [](const std::string&,
                             const Tensor& value) { return value.dim() < 2 ? at::zeros_like(value) : Tensor(); }}}),
        config_(config) {}

 protected:
  void update(Active& active) override {
    if (config_.maximize) active.use.scale *= -1;
    const auto step = static_cast<double>(active.step);
    const auto share = std::pow(step, config_.beta2_decay), rate = std::min(active.lr, 1 / std::sqrt(step));
    const auto keep = 1 - active.lr * config_.weight_decay * active.decay_scale;
    for (auto& u : active.tensors) {
      auto value = u.value();
      const auto grad = active.use.of(u);
      const auto eps = config_.eps1 > 0                     ? config_.eps1
                       : value.scalar_type() == at::kDouble ? std::numeric_limits<double>::epsilon()
                                                            : std::numeric_limits<float>::epsilon();
      const auto root_size = std::sqrt(static_cast<double>(value.numel()));
      const auto length = rate * std::max(config_.eps2, value.norm().item<double>() / root_size);
      auto move = squares(u, grad, share, eps).clamp_min_(eps * eps).rsqrt_().mul_(grad);
      const auto size = std::max(1.0, move.norm().item<double>() / (root_size * config_.d));
      if (keep != 1) value.mul_(keep);
      value.add_(move, -length / size);
      update_detail::round_master(u);
      if (active.use.zero) u.grad.zero_();
    }
  }

 private:
  /// Moves the means of squared gradients; returns the estimate for each element, the caller's to change.
  static Tensor squares(const Updated& u, const Tensor& grad, double share, double eps) {
    auto rows = u.state[0], columns = u.state[1], all = u.state[2];
    if (all.defined()) return all.lerp_(grad * grad, share).clone();
    const auto mean_square = [&](int64_t dim) {
      return at::linalg_vector_norm(grad, 2, dim, true).square_().div_(grad.size(dim));
    };
    rows.lerp_(mean_square(-1), share);
    columns.lerp_(mean_square(-2), share);
    return at::matmul(rows / rows.mean(-2, true).clamp_min_(eps), columns);
  }

  AdafactorConfig config_;
};

}  // namespace

void register_adafactor(OptimizerCatalog& catalog) {
  catalog.add("adafactor", "adaptive rates from the mean squares of rows and columns: next to no state",
              AdafactorConfig{}, [](const AdafactorConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Adafactor>(config, std::move(groups));
              });
}

}  // namespace hadal
