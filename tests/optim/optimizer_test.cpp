#include "hadal/optim/optimizer.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

/// A tensor on its way to `target`.
struct Descent {
  Tensor weight, target;
  std::unique_ptr<Optimizer> optimizer;

  Descent(const Part& part, const Tensor& start, Tensor goal)
      : weight(start.clone().requires_grad_()), target(std::move(goal)) {
    optimizer = optimizers().make(part, {{{{"weight", weight}}}});
  }
  void step() {
    optimizer->zero_grad();
    ((weight - target).pow(4) / 4).sum().backward();
    optimizer->step({});
  }
};

TEST(Optimizer, RefusesTheStateOfAnother) {
  const auto start = torch::zeros({2, 3});
  Descent adam({"adam", {}}, start, start), sgd({"sgd", Table({{"momentum", 0.9}})}, start, start);
  Descent wide({"adam", {}}, torch::zeros({4, 3}), torch::zeros({4, 3}));
  EXPECT_ERROR(sgd.optimizer->load_state(adam.optimizer->state()), "no momentum_buffer.weight");
  EXPECT_ERROR(wide.optimizer->load_state(adam.optimizer->state()), "exp_avg.weight is 2x3 in the saved state and 4x3");
}

TEST(Optimizer, AGroupWithoutDecayIsLeftAlone) {
  nn::Sequential net(nn::Linear(3, 4), nn::LayerNorm(nn::LayerNormOptions({4})));
  const auto groups = param_groups(*net, {});
  // Without a gradient to follow, decay alone moves a weight.
  const auto optimizer = optimizers().make({"sgd", Table({{"lr", 0.1}, {"weight_decay", 0.5}})}, groups);
  std::map<std::string, Tensor> before;
  for (const auto& item : net->named_parameters()) {
    before[item.key()] = item.value().detach().clone();
    item.value().mutable_grad() = torch::zeros_like(item.value());
  }
  optimizer->step({});
  for (const auto& item : net->named_parameters()) {
    const auto expected = before[item.key()] * (item.key() == "0.weight" ? 1 - 0.1 * 0.5 : 1.0);
    EXPECT_TRUE(item.value().allclose(expected, 1e-6, 0)) << item.key();
  }
}

TEST(Optimizer, AScheduleSetsRateAndMomentum) {
  const auto start = torch::ones({3}, torch::kFloat64), target = torch::zeros({3}, torch::kFloat64);
  const auto moved = [&](double lr, const Rates& rates) {
    Descent descent({"sgd", Table({{"lr", lr}, {"momentum", 0.9}})}, start, target);
    for (int i = 0; i < 2; ++i) {
      descent.optimizer->zero_grad();
      descent.weight.sum().backward();
      descent.optimizer->step(rates);
    }
    return descent.weight[0].item<double>();
  };
  EXPECT_DOUBLE_EQ(moved(0.1, {.lr_factor = 0.5}), moved(0.05, {}));
  // Two steps of a gradient of 1: lr x (1 + (1 + momentum)).
  EXPECT_NEAR(moved(0.1, {.momentum = 0.5}), 1 - 0.1 * 2.5, 1e-12);
}

/// Every optimiser on 0.5 x sum of squares, from 1; the loss after `steps`.
double descend(const Part& part, at::ScalarType type, int steps) {
  Descent descent(part, torch::ones({4, 3}, type), torch::zeros({4, 3}, type));
  const auto loss = [&] { return descent.weight.to(at::kDouble).square().sum() / 2; };
  const auto again = [&] {
    descent.optimizer->zero_grad();
    const auto value = loss();
    value.backward();
    Evaluation evaluation;
    evaluation.loss = value.item<double>();
    return evaluation;
  };
  for (int i = 0; i < steps; ++i) descent.optimizer->step({}, again(), again);
  return loss().item<double>();
}

TEST(Optimizer, EveryOneGoesDownhillInEveryNumberType) {
  for (const auto& name : optimizers().names())
    for (const auto type : {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf}) {
      const auto after = descend({name, {}}, type, 50);
      EXPECT_LT(after, 6 * 0.9999) << name << " in " << type;
      EXPECT_GE(after, 0) << name << " in " << type;
    }
}

TEST(Optimizer, LbfgsFindsTheMinimumOfAnIllConditionedQuadratic) {
  const auto curvature = torch::logspace(-2, 3, 20, 10.0, at::kDouble), goal = torch::arange(20, at::kDouble) - 7;
  for (const auto& settings : {Table{}, Table{{"line_search_fn", "strong_wolfe"}}}) {
    auto weight = torch::zeros({20}, at::kDouble).requires_grad_();
    const auto optimizer = optimizers().make({"lbfgs", settings}, {{{{"weight", weight}}}});
    const auto again = [&] {
      optimizer->zero_grad();
      const auto loss = (curvature * (weight - goal).square()).sum() / 2;
      loss.backward();
      Evaluation evaluation;
      evaluation.loss = loss.item<double>();
      return evaluation;
    };
    for (int i = 0; i < 10; ++i) optimizer->step({}, again(), again);
    EXPECT_LT((weight - goal).abs().max().item<double>(), 1e-3) << settings.empty();
  }
}

TEST(Optimizer, HalfPrecisionStepsAreTakenInFloat) {
  // A step that is lost in bf16 (1 - 1e-4 rounds to 1) adds up in the master.
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    auto weight = torch::ones({3000}, type).requires_grad_();
    const auto optimizer = optimizers().make({"sgd", Table({{"lr", 1e-4}})}, {{{{"weight", weight}}}});
    for (int i = 0; i < 1000; ++i) {
      weight.mutable_grad() = torch::ones_like(weight);
      optimizer->step({});
    }
    EXPECT_NEAR(weight.min().item<double>(), 0.9, 0.004);
    EXPECT_NEAR(weight.max().item<double>(), 0.9, 0.004);
  }
}

TEST(Optimizer, AScaleABoundAndZeroingComeWithTheStep) {
  for (const auto type : {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf}) {
    auto weight = torch::zeros({5000}, type).requires_grad_();
    const auto optimizer = optimizers().make({"sgd", Table({{"lr", 1.0}})}, {{{{"weight", weight}}}});
    weight.mutable_grad() = torch::tensor({4.0, -4.0, 0.5, 0.0, 1.0}, type).repeat(1000);
    Evaluation evaluation;
    evaluation.use = {.scale = 0.5, .bound = 1, .zero = true};
    optimizer->step({}, evaluation);
    const auto expected = torch::tensor({-1.0, 1.0, -0.25, 0.0, -0.5}, type).repeat(1000);
    EXPECT_TRUE(weight.equal(expected)) << type;
    EXPECT_EQ(weight.grad().abs().max().item<double>(), 0) << type;
  }
}

TEST(Optimizer, AnyLayoutGivesTheSameStep) {
  // Channels-last weights, and gradients laid out otherwise than their weights.
  const auto start = torch::randn({4, 3, 5, 5}), gradient = torch::randn({4, 3, 5, 5});
  const auto step = [&](const Tensor& from, const Tensor& grad) {
    auto weight = from.clone(at::MemoryFormat::Preserve).requires_grad_();
    const auto optimizer = optimizers().make({"adamw", Table({{"lr", 0.1}})}, {{{{"weight", weight}}}});
    for (int i = 0; i < 3; ++i) {
      weight.mutable_grad() = grad.clone(at::MemoryFormat::Preserve);
      optimizer->step({});
    }
    return weight.detach();
  };
  const auto plain = step(start, gradient), last = start.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(step(last, gradient.contiguous(at::MemoryFormat::ChannelsLast)).equal(plain));
  EXPECT_LT(test::relative_error(step(last, gradient), plain), 1e-6);
  EXPECT_LT(test::relative_error(step(start, gradient.contiguous(at::MemoryFormat::ChannelsLast)), plain), 1e-6);
}

TEST(Optimizer, AParameterThatJoinsLaterCountsItsOwnSteps) {
  auto early = torch::ones({3}, at::kDouble).requires_grad_(), late = torch::ones({3}, at::kDouble).requires_grad_();
  const auto optimizer = optimizers().make({"adam", Table({{"lr", 0.1}})}, {{{{"early", early}, {"late", late}}}});
  for (int i = 0; i < 5; ++i) {
    early.mutable_grad() = torch::ones_like(early);
    if (i == 4) late.mutable_grad() = torch::full_like(late, 3);
    optimizer->step({});
  }
  EXPECT_NEAR(late[0].item<double>(), 0.9, 1e-8);  // Adam's first step has the rate's length
  const auto steps = optimizer->state()[0];
  EXPECT_EQ(steps.first, "steps");
  EXPECT_TRUE(steps.second.equal(torch::tensor({5, 1}, at::kLong)));
}

TEST(Optimizer, SparseGradientsGoWhereTheyCan) {
  const auto rows = torch::tensor({1, 1}, at::kLong);
  const auto step = [&](const Part& part) {
    auto table = torch::ones({3, 2}).requires_grad_();
    const auto optimizer = optimizers().make(part, {{{{"embed.weight", table}}}});
    at::embedding(table, rows, -1, false, true).sum().backward();
    optimizer->step({});
    return table.detach();
  };
  for (const auto& name : {"sgd", "adagrad", "sparse_adam"}) {
    const auto table = step({name, {}});
    EXPECT_TRUE(table[0].equal(torch::ones({2}))) << name;
    EXPECT_LT(table[1][0].item<double>(), 1) << name;
  }
  EXPECT_ERROR(step({"adamw", {}}), "embed.weight has a sparse gradient");
  EXPECT_ERROR(step({"sgd", Table({{"momentum", 0.9}})}), "sparse_adam can");
}

TEST(Optimizer, RefusesWrongSettings) {
  const auto make = [](const std::string& name, const Table& settings) {
    return optimizers().make({name, settings}, {});
  };
  for (const auto& name : optimizers().names()) {
    if (name == "sam") continue;  // its base has the rate
    EXPECT_ERROR(make(name, {{"lr", -0.1}}), "optimizer.lr wants a number");
  }
  EXPECT_ERROR(make("adam", {{"beta1", 1.0}}), "from 0 to below 1");
  EXPECT_ERROR(make("rprop", {{"step_size_min", 100.0}}), "step_size_min (100) must not exceed step_size_max (50)");
  EXPECT_ERROR(make("adafactor", {{"beta2_decay", 0.5}}), "beta2_decay wants a number of at most 0");
  EXPECT_ERROR(make("muon", {{"ns_coefficients", List{1.0, 2.0}}}), "ns_coefficients wants 3 numbers, got 2");
  EXPECT_ERROR(make("lbfgs", {{"line_search_fn", "wolfe"}}), "nearest: strong_wolfe");
  EXPECT_ERROR(make("sam", {{"base", "lbfgs"}}), "base = \"lbfgs\" evaluates the loss again itself");
  EXPECT_ERROR(make("sam", {{"base", "adamx"}}), "nearest: adam");
  for (const auto& name : {"sam", "lbfgs"}) EXPECT_ERROR(make(name, {})->step({}), "give it a closure");
}

TEST(Optimizer, SaysWhatNesterovWants) {
  EXPECT_ERROR(optimizers().make({"sgd", Table({{"nesterov", true}})}, {}), "nesterov wants momentum above 0");
  EXPECT_ERROR(optimizers().make({"adamx", {}}, {}), "adam");
}

}  // namespace
}  // namespace hadal
