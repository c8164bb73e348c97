#include <cmath>
#include <deque>

#include "hadal/core/error.h"
#include "hadal/optim/line_search.h"
#include "hadal/optim/methods.h"

namespace hadal {
namespace {

struct LbfgsConfig {
  double lr = 1, tolerance_grad = 1e-7, tolerance_change = 1e-9;
  int64_t max_iter = 20, max_eval = 0, history_size = 100;
  std::string line_search_fn = "none";
  static Fields<LbfgsConfig> fields() {
    using C = LbfgsConfig;
    return {
        lr_field<C>(),
        {"max_iter", &C::max_iter, "iterations a step", at_least(1)},
        {"max_eval", &C::max_eval, "evaluations of the loss a step (0: 1.25 x max_iter)", at_least(0)},
        {"tolerance_grad", &C::tolerance_grad, "a largest gradient up to this ends a step", at_least(0)},
        {"tolerance_change", &C::tolerance_change, "a change of weights or loss up to this ends a step", at_least(0)},
        {"history_size", &C::history_size, "pairs of changes that are kept", at_least(1)},
        {"line_search_fn", &C::line_search_fn, "how the length of a move is found", one_of({"none", "strong_wolfe"})}};
  }
};

double dot_product(const Tensor& a, const Tensor& b) { return a.dot(b).item<double>(); }
double most(const Tensor& t) { return t.abs().max().item<double>(); }

/// Limited-memory BFGS (Liu & Nocedal 1989), PyTorch's form. All parameters form one vector; weight decay and the
/// groups' scales do not apply. For losses without noise: whole batches, no dropout.
class Lbfgs : public Optimizer {
 public:
  Lbfgs(const LbfgsConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, {}), config_(config) {}
  bool needs_closure() const override { return true; }

  void step(const Rates& rates, const Evaluation& evaluation, const Closure& again) override {
    require(static_cast<bool>(again), "[lbfgs] a step evaluates the loss several times: give it a closure");
    const torch::NoGradGuard no_grad;
    const auto max_eval = config_.max_eval > 0 ? config_.max_eval : config_.max_iter * 5 / 4;
    const auto lr = config_.lr * rates.lr_factor;
    auto here = flat(evaluation);
    int64_t evaluations = 1;
    for (int64_t iteration = 1; most(here.gradient) > config_.tolerance_grad; ++iteration) {
      choose_direction(here);
      length_ = iterations_ == 1 ? std::min(1.0, 1 / here.gradient.abs().sum().item<double>()) * lr : lr;
      const auto slope = dot_product(here.gradient, direction_);
      if (slope > -config_.tolerance_change) return;
      if (config_.line_search_fn == "strong_wolfe") {
        const auto start = values();
        const auto at = [&](double length) {
          move(start, length);
          return evaluate(again);
        };
        const auto found = strong_wolfe(at, length_, direction_, here, slope);
        length_ = found.length;
        move(start, length_);
        here = found.point;
        evaluations += found.evaluations;
      } else {
        move(values(), length_);
        if (iteration == config_.max_iter) return;
        here = evaluate(again);
        ++evaluations;
      }
      if (iteration == config_.max_iter || evaluations >= max_eval) return;
      if (most(direction_) * std::abs(length_) <= config_.tolerance_change) return;
      if (std::abs(here.loss - last_.loss) < config_.tolerance_change) return;
    }
  }

  TensorsByName state() const override {
    const auto numbers = torch::tensor({static_cast<double>(iterations_), length_, scale_, last_.loss}, at::kDouble);
    TensorsByName out = {{"numbers", numbers}};
    if (iterations_ == 0) return out;
    out.emplace_back("direction", direction_);
    out.emplace_back("gradient", last_.gradient);
    for (size_t i = 0; i < history_.size(); ++i) {
      out.emplace_back(fmt::format("gradient_change.{}", i), history_[i].gradient);
      out.emplace_back(fmt::format("change.{}", i), history_[i].change);
    }
    return out;
  }

  void load_state(const TensorsByName& state) override {
    const auto size = values().numel();
    const auto find = [&](const std::string& name) -> std::optional<Tensor> {
      for (const auto& [key, tensor] : state)
        if (key == name) {
          if (name != "numbers" && tensor.numel() != size)
            fail("[optimizer] {} has {} elements in the saved state and {} here", name, tensor.numel(), size);
          return tensor;
        }
      return {};
    };
    const auto numbers = find("numbers");
    if (!numbers || numbers->numel() != 4)
      fail("[optimizer] the saved state has no numbers: it was written by another optimizer or for another model");
    const auto number = [&](int64_t i) { return (*numbers)[i].item<double>(); };
    iterations_ = static_cast<int64_t>(number(0));
    length_ = number(1), scale_ = number(2), last_.loss = number(3);
    history_.clear();
    if (iterations_ == 0) return;
    const auto direction = find("direction"), gradient = find("gradient");
    if (!direction || !gradient) fail("[optimizer] the saved state has no direction: it is not complete");
    direction_ = direction->clone();
    last_.gradient = gradient->clone();
    for (size_t i = 0;; ++i) {
      const auto change = find(fmt::format("change.{}", i)), y = find(fmt::format("gradient_change.{}", i));
      if (!change || !y) break;
      Pair pair{y->clone(), change->clone(), 0};
      pair.inverse = 1 / dot_product(pair.gradient, pair.change);  // of the copies: sums depend on alignment
      history_.push_back(std::move(pair));
    }
  }

 protected:
  void update(Active&) override {}

 private:
  struct Pair {
    Tensor gradient, change;  // what the gradient and the weights changed by
    double inverse;           // of their product
  };

  LossPoint flat(const Evaluation& evaluation) {
    std::vector<Tensor> parts;
    for (const auto& param : parameters()) {
      const auto& grad = param.grad();
      parts.push_back(grad.defined() ? evaluation.use.of({param, grad, {}, {}}).reshape(-1)
                                     : at::zeros({param.numel()}, param.options()));
    }
    return {evaluation.loss, at::cat(parts)};
  }
  LossPoint evaluate(const Closure& again) {
    Evaluation evaluation;
    {
      const at::AutoGradMode with_gradients(true);
      evaluation = again();
    }
    return flat(evaluation);
  }
  Tensor values() const {
    std::vector<Tensor> parts;
    for (const auto& param : parameters()) parts.push_back(param.detach().reshape(-1));
    return at::cat(parts);
  }
  /// The weights at `start` + length x direction.
  void move(const Tensor& start, double length) {
    const auto to = start + length * direction_;
    int64_t done = 0;
    for (auto& param : parameters()) {
      param.copy_(to.narrow(0, done, param.numel()).view(param.sizes()));
      done += param.numel();
    }
  }

  void choose_direction(const LossPoint& here) {
    if (++iterations_ == 1) {
      direction_ = -here.gradient;
    } else {
      remember({here.gradient - last_.gradient, direction_ * length_, 0});
      // Two loops over the history: Nocedal & Wright, algorithm 7.4.
      direction_ = -here.gradient;
      std::vector<double> alpha(history_.size());
      for (auto i = history_.size(); i-- > 0;) {
        alpha[i] = dot_product(history_[i].change, direction_) * history_[i].inverse;
        direction_.add_(history_[i].gradient, -alpha[i]);
      }
      direction_.mul_(scale_);
      for (size_t i = 0; i < history_.size(); ++i) {
        const auto beta = dot_product(history_[i].gradient, direction_) * history_[i].inverse;
        direction_.add_(history_[i].change, alpha[i] - beta);
      }
    }
    last_ = {here.loss, here.gradient.clone()};
  }
  void remember(Pair pair) {
    const auto product = dot_product(pair.gradient, pair.change);
    if (product <= 1e-10) return;
    if (static_cast<int64_t>(history_.size()) == config_.history_size) history_.pop_front();
    pair.inverse = 1 / product;
    scale_ = product / dot_product(pair.gradient, pair.gradient);
    history_.push_back(std::move(pair));
  }

  LbfgsConfig config_;
  int64_t iterations_ = 0;
  double length_ = 0, scale_ = 1;
  Tensor direction_;
  LossPoint last_;
  std::deque<Pair> history_;
};

}  // namespace

void register_lbfgs(OptimizerCatalog& catalog) {
  catalog.add("lbfgs", "limited-memory BFGS, for whole batches", LbfgsConfig{},
              [](const LbfgsConfig& config, std::vector<ParamGroup> groups) {
                return std::make_unique<Lbfgs>(config, std::move(groups));
              });
}

}  // namespace hadal
