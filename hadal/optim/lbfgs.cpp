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

/// Limited-memory BFGS (Liu & Nocedal 1989), PyTorch's form. All parameters with a gradient form one vector; weight
/// decay does not apply. For losses without noise: whole batches, no dropout.
class Lbfgs : public Optimizer {
 public:
  Lbfgs(const LbfgsConfig& config, std::vector<ParamGroup> groups)
      : Optimizer(std::move(groups), config.lr, {}), config_(config) {}
  bool needs_closure() const override { return true; }

  bool step(const Rates& rates, const Evaluation& evaluation, const Closure& again) override {
    require(static_cast<bool>(again), "[lbfgs] a step evaluates the loss several times: give it a closure");
    const torch::NoGradGuard no_grad;
    choose_parameters();
    if (moving_.empty()) return true;
    const auto before = memory_;
    const auto start = values();
    if (iterate(rates, evaluation, again)) return true;
    memory_ = before;
    put(start);
    return false;
  }

  TensorsByName state() const override {
    const auto& m = memory_;
    const auto numbers =
        torch::tensor({static_cast<double>(m.iterations), m.length, m.scale, m.last.loss}, at::kDouble);
    TensorsByName out = {{"numbers", numbers}};
    if (m.iterations == 0) return out;
    out.emplace_back("moving", torch::tensor(moving_, at::kLong));
    out.emplace_back("direction", m.direction);
    out.emplace_back("gradient", m.last.gradient);
    for (size_t i = 0; i < m.history.size(); ++i) {
      out.emplace_back(fmt::format("gradient_change.{}", i), m.history[i].gradient);
      out.emplace_back(fmt::format("change.{}", i), m.history[i].change);
    }
    return out;
  }

  void load_state(const TensorsByName& state) override {
    const auto find = [&](const std::string& name) -> std::optional<Tensor> {
      for (const auto& [key, tensor] : state)
        if (key == name) return tensor;
      return {};
    };
    const auto numbers = find("numbers");
    if (!numbers || numbers->numel() != 4)
      fail("[optimizer] the saved state has no numbers: it was written by another optimizer or for another model");
    const auto number = [&](int64_t i) { return (*numbers)[i].item<double>(); };
    memory_ = {.iterations = static_cast<int64_t>(number(0)), .length = number(1), .scale = number(2)};
    memory_.last.loss = number(3);
    moving_.clear();
    if (memory_.iterations == 0) return;
    const auto moving = find("moving"), direction = find("direction"), gradient = find("gradient");
    if (!moving || !direction || !gradient) fail("[optimizer] the saved state has no direction: it is not complete");
    const auto count = std::ssize(parameters());
    for (int64_t i = 0; i < moving->numel(); ++i) {
      moving_.push_back(moving->flatten()[i].item<int64_t>());
      if (moving_.back() < 0 || moving_.back() >= count)
        fail("[optimizer] the saved state moves parameter {} of {}: it is for another model", moving_.back(), count);
    }
    const auto copy = [size = moving_.empty() ? 0 : values().numel()](const char* what, const Tensor& tensor) {
      if (tensor.numel() != size)
        fail("[optimizer] {} has {} elements in the saved state and {} here", what, tensor.numel(), size);
      return tensor.clone();
    };
    memory_.direction = copy("direction", *direction);
    memory_.last.gradient = copy("gradient", *gradient);
    for (size_t i = 0;; ++i) {
      const auto change = find(fmt::format("change.{}", i)), y = find(fmt::format("gradient_change.{}", i));
      if (!change || !y) break;
      Pair pair{copy("gradient_change", *y), copy("change", *change), 0};
      pair.inverse = 1 / dot_product(pair.gradient, pair.change);  // of the copies: sums depend on alignment
      memory_.history.push_back(std::move(pair));
    }
  }

 protected:
  void update(Active&) override {}

 private:
  struct Pair {
    Tensor gradient, change;  // what the gradient and the weights changed by
    double inverse;           // of their product
  };

  /// What is kept from step to step.
  struct Memory {
    int64_t iterations = 0;
    double length = 0, scale = 1;
    Tensor direction;
    LossPoint last;
    std::deque<Pair> history;
  };

  /// What has no gradient (a frozen part) stays where it is. Vectors of other parameters are of no use any more.
  void choose_parameters() {
    std::vector<int64_t> now;
    const auto all = parameters();
    for (int64_t i = 0; i < std::ssize(all); ++i)
      if (all[i].grad().defined()) now.push_back(i);
    if (now != moving_) memory_ = {};
    moving_ = std::move(now);
  }

  /// False when it came to where the loss is not finite.
  bool iterate(const Rates& rates, const Evaluation& evaluation, const Closure& again) {
    auto& [iterations, length, scale, direction, last, history] = memory_;
    const auto max_eval = config_.max_eval > 0 ? config_.max_eval : config_.max_iter * 5 / 4;
    const auto lr = config_.lr * rates.lr_factor;
    auto here = flat(evaluation);
    int64_t evaluations = 1;
    for (int64_t iteration = 1; most(here.gradient) > config_.tolerance_grad; ++iteration) {
      choose_direction(here);
      length = iterations == 1 ? std::min(1.0, 1 / here.gradient.abs().sum().item<double>()) * lr : lr;
      const auto slope = dot_product(here.gradient, direction);
      if (slope > -config_.tolerance_change) return true;
      if (config_.line_search_fn == "strong_wolfe") {
        const auto start = values();
        const auto at = [&](double far) {
          move(start, far);
          return evaluate(again);
        };
        const auto found = strong_wolfe(at, length, direction, here, slope);
        length = found.length;
        move(start, length);
        here = found.point;
        evaluations += found.evaluations;
      } else {
        move(values(), length);
        if (iteration == config_.max_iter) return true;
        here = evaluate(again);
        ++evaluations;
      }
      if (!std::isfinite(here.loss)) return false;
      if (iteration == config_.max_iter || evaluations >= max_eval) return true;
      if (most(direction) * std::abs(length) <= config_.tolerance_change) return true;
      if (std::abs(here.loss - last.loss) < config_.tolerance_change) return true;
    }
    return true;
  }

  LossPoint flat(const Evaluation& evaluation) {
    std::vector<Tensor> all, parts;
    const auto groups = this->groups();
    for (size_t group = 0; group < groups.size(); ++group) {
      auto use = evaluation.use;
      if (!evaluation.group_scale.empty()) use.scale *= evaluation.group_scale.at(group);
      for (const auto& [name, param] : *groups[group])
        all.push_back(param.grad().defined() ? use.of({param, param.grad(), {}, {}}).reshape(-1)
                                             : at::zeros({param.numel()}, param.options()));
    }
    for (const auto i : moving_) parts.push_back(all[i]);
    return {evaluation.loss, at::cat(parts)};
  }
  LossPoint evaluate(const Closure& again) {
    Evaluation evaluation;
    {
      const at::AutoGradMode with_gradients(true);
      evaluation = again();
    }
    auto point = flat(evaluation);
    if (!evaluation.finite || !std::isfinite(point.loss)) point.loss = INFINITY;
    return point;
  }
  Tensor values() const {
    const auto all = parameters();
    std::vector<Tensor> parts;
    for (const auto i : moving_) parts.push_back(all[i].detach().reshape(-1));
    return at::cat(parts);
  }
  void put(const Tensor& values) {
    const auto all = parameters();
    int64_t done = 0;
    for (const auto i : moving_) {
      const auto size = all[i].numel();
      Tensor(all[i]).copy_(values.narrow(0, done, size).view(all[i].sizes()));
      done += size;
    }
  }
  /// The weights at `start` + length x direction.
  void move(const Tensor& start, double length) { put(start + length * memory_.direction); }

  void choose_direction(const LossPoint& here) {
    auto& [iterations, length, scale, direction, last, history] = memory_;
    if (++iterations == 1) {
      direction = -here.gradient;
    } else {
      remember({here.gradient - last.gradient, direction * length, 0});
      // Two loops over the history: Nocedal & Wright, algorithm 7.4.
      direction = -here.gradient;
      std::vector<double> alpha(history.size());
      for (auto i = history.size(); i-- > 0;) {
        alpha[i] = dot_product(history[i].change, direction) * history[i].inverse;
        direction.add_(history[i].gradient, -alpha[i]);
      }
      direction.mul_(scale);
      for (size_t i = 0; i < history.size(); ++i) {
        const auto beta = dot_product(history[i].gradient, direction) * history[i].inverse;
        direction.add_(history[i].change, alpha[i] - beta);
      }
    }
    last = {here.loss, here.gradient.clone()};
  }
  void remember(Pair pair) {
    const auto product = dot_product(pair.gradient, pair.change);
    if (product <= 1e-10) return;
    auto& history = memory_.history;
    if (std::ssize(history) == config_.history_size) history.pop_front();
    pair.inverse = 1 / product;
    memory_.scale = product / dot_product(pair.gradient, pair.gradient);
    history.push_back(std::move(pair));
  }

  LbfgsConfig config_;
  std::vector<int64_t> moving_;  // which parameters are in the vectors
  Memory memory_;
};

}  // namespace

void register_lbfgs(OptimizerCatalog& catalog) {
  catalog.add("lbfgs", "limited-memory BFGS, for whole batches", LbfgsConfig{},
              [](const LbfgsConfig& config, std::vector<ParamGroup> groups) {
                for (const auto& group : groups)
                  require(
                      group.lr_scale == 1,
                      "[lbfgs] all parameters move along one line; layer_decay and a group's lr_scale do not apply");
                return std::make_unique<Lbfgs>(config, std::move(groups));
              });
}

}  // namespace hadal
