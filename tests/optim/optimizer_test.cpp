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
  Descent plain({"sgd", {}}, start, start), adan({"adan", {}}, start, start);
  EXPECT_ERROR(plain.optimizer->load_state(adam.optimizer->state()), "the saved state has exp_avg.weight: it was");
  adam.step();
  EXPECT_ERROR(adan.optimizer->load_state(adam.optimizer->state()), "it was written by another");
  EXPECT_EQ(adan.optimizer->state()[0].second.item<int64_t>(), 0);  // nothing of it was taken
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

// PyTorch's `if momentum != 0`: neither the velocity nor its dampening has a part in such a step.
TEST(Optimizer, AMomentumOfZeroLeavesTheVelocityAlone) {
  for (const auto& part :
       {Part{"sgd", {{"dampening", 0.5}}}, Part{"lars", {{"dampening", 0.5}}}, Part{"rmsprop", {{"alpha", 0.0}}}}) {
    auto given = part;
    given.settings.set("lr", 0.1), given.settings.set("momentum", 0.9);
    Descent descent(given, torch::ones({3}, at::kDouble), torch::zeros({3}, at::kDouble));
    std::vector<double> steps;
    for (const auto momentum : {0.9, 0.9, 0.0, 0.9}) {
      const auto before = descent.weight[0].item<double>();
      descent.optimizer->zero_grad();
      descent.weight.sum().backward();
      descent.optimizer->step({.momentum = momentum});
      steps.push_back(before - descent.weight[0].item<double>());
    }
    const auto fresh = part.name == "rmsprop" ? 1 : 0.5;
    const auto second = 0.9 + fresh, last = 0.9 * second + fresh;
    EXPECT_NEAR(steps[1], 0.1 * second, 1e-8) << part.name;
    EXPECT_NEAR(steps[2], 0.1, 1e-8) << part.name;
    EXPECT_NEAR(steps[3], 0.1 * last, 1e-8) << part.name;
  }
}

TEST(Optimizer, LambMeasuresWhatWasClippedByValue) {
  const auto path = [](double most) {
    Descent descent({"lamb", {{"max_grad_norm", most}}}, torch::arange(1, 4, at::kDouble),
                    torch::zeros({3}, at::kDouble));
    for (const double size : {0.01, 30.0, 0.02}) {
      descent.optimizer->zero_grad();
      (size * descent.weight.square().sum()).backward();
      descent.optimizer->step({}, {.use = {.bound = 0.1}});
    }
    return descent.weight.detach();
  };
  EXPECT_TRUE(path(1).equal(path(0)));  // three values of at most 0.1 have no norm of 1
  EXPECT_FALSE(path(0.1).equal(path(0)));
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

/// Two quartic bowls, for methods that look at the loss again; call `poisoned` of a step gives no number.
struct Bowls {
  Tensor a = torch::zeros({3}, at::kDouble).requires_grad_(), b = torch::zeros({2, 2}, at::kDouble).requires_grad_();
  std::unique_ptr<Optimizer> optimizer;
  std::vector<double> group_scale;
  int64_t calls = 0, poisoned = 0;

  explicit Bowls(const Part& part) : optimizer(optimizers().make(part, {{{{"a", a}}}, {{{"b", b}}}})) {}

  Evaluation look() {
    optimizer->zero_grad();
    auto loss = (a - 1).pow(4).sum() + (b - 2).pow(4).sum();
    if (++calls == poisoned) loss = loss * NAN;
    loss.backward();
    const auto value = loss.item<double>();
    return {.loss = value, .finite = std::isfinite(value), .group_scale = group_scale};
  }
  bool step() {
    calls = 0;
    const auto here = look();
    const auto taken = optimizer->step({}, here, [this] { return look(); });
    optimizer->zero_grad();
    return taken;
  }
  Tensor all() const { return at::cat({a.detach(), b.detach().flatten()}); }
};

TEST(Optimizer, AStepThatLooksWhereNothingIsFiniteIsNotTaken) {
  for (const auto& part : {Part{"sam", {{"base", Table{{"name", "adam"}}}}}, Part{"lbfgs", {{"max_iter", 2}}}}) {
    Bowls bowls(part);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(bowls.step()) << part.name;
    const auto before = bowls.all();
    TensorsByName state;
    for (const auto& [name, tensor] : bowls.optimizer->state()) state.emplace_back(name, tensor.clone());
    bowls.poisoned = 2;
    EXPECT_FALSE(bowls.step()) << part.name;
    EXPECT_TRUE(bowls.all().equal(before)) << part.name;
    const auto after = bowls.optimizer->state();
    ASSERT_EQ(after.size(), state.size());
    for (size_t i = 0; i < state.size(); ++i) EXPECT_TRUE(after[i].second.equal(state[i].second)) << state[i].first;
    bowls.poisoned = 0;
    EXPECT_TRUE(bowls.step()) << part.name;
    EXPECT_FALSE(bowls.all().equal(before)) << part.name;
  }
}

TEST(Optimizer, ALineSearchComesBackFromWhereNothingIsFinite) {
  for (const int64_t call : {2, 3, 4}) {
    Bowls bowls({"lbfgs", {{"line_search_fn", "strong_wolfe"}}});
    bowls.poisoned = call;
    const auto before = bowls.look().loss;
    EXPECT_TRUE(bowls.step());
    EXPECT_TRUE(bowls.all().isfinite().all().item<bool>()) << call;
    bowls.poisoned = 0;
    EXPECT_LT(bowls.look().loss, before) << call;
  }
}

TEST(Optimizer, LbfgsLeavesWhatHasNoGradientWhereItIs) {
  Bowls bowls({"lbfgs", {{"max_iter", 2}, {"lr", 0.1}}});
  for (int i = 0; i < 3; ++i) bowls.step();
  const auto frozen = bowls.b.detach().clone(), moved = bowls.a.detach().clone();
  bowls.b.set_requires_grad(false);
  for (int i = 0; i < 2; ++i) bowls.step();
  EXPECT_TRUE(bowls.b.equal(frozen));  // though what is remembered would push it on
  EXPECT_FALSE(bowls.a.equal(moved));
  TensorsByName state;
  for (const auto& [name, tensor] : bowls.optimizer->state()) {
    state.emplace_back(name, tensor.clone());
    if (name == "direction") EXPECT_EQ(tensor.numel(), 3);
  }
  Bowls resumed({"lbfgs", {{"max_iter", 2}, {"lr", 0.1}}});
  resumed.b.set_requires_grad(false);
  resumed.optimizer->load_state(state);
  {
    const torch::NoGradGuard no_grad;
    resumed.a.copy_(bowls.a), resumed.b.copy_(bowls.b);
  }
  bowls.step(), resumed.step();
  EXPECT_TRUE(resumed.all().equal(bowls.all()));
  bowls.b.set_requires_grad(true);
  bowls.step();
  EXPECT_FALSE(bowls.b.equal(frozen));
}

TEST(Optimizer, LbfgsTakesEachGroupsClippingAndNoRates) {
  Bowls bowls({"lbfgs", {{"max_iter", 1}}});
  bowls.group_scale = {1, 0};
  bowls.step();
  EXPECT_GT(bowls.a.min().item<double>(), 0);
  EXPECT_EQ(bowls.b.abs().max().item<double>(), 0);
  EXPECT_ERROR(optimizers().make({"lbfgs", {}}, {{{{"a", bowls.a}}, 0.5}}), "a group's lr_scale do not apply");
}

TEST(Optimizer, AGroupsRateIsThatOfAnOptimiserOfItsOwn) {
  for (const auto& name : optimizers().names()) {
    if (name == "lbfgs" || name == "sam") continue;  // all parameters together make one step
    Table settings;
    if (name == "lamb") settings.set("max_grad_norm", 0.0);  // that too is of all of them
    const auto with = [&](double lr) {
      auto own = settings;
      own.set("lr", lr);
      return Part{name, own};
    };
    auto a = torch::ones({4, 3}).requires_grad_(), b = torch::ones({4, 3}).requires_grad_();
    auto c = torch::ones({4, 3}).requires_grad_(), d = torch::ones({4, 3}).requires_grad_();
    const auto both = optimizers().make(with(0.0625), {{{{"a", a}}}, {{{"b", b}}, 0.25}});
    const auto whole = optimizers().make(with(0.0625), {{{{"a", c}}}});
    const auto quarter = optimizers().make(with(0.015625), {{{{"b", d}}}});
    for (int i = 0; i < 3; ++i) {
      for (auto* optimizer : {&both, &whole, &quarter}) (*optimizer)->zero_grad();
      for (const auto& weight : {a, b, c, d}) (weight * torch::arange(1, 13).view({4, 3})).square().sum().backward();
      for (auto* optimizer : {&both, &whole, &quarter}) (*optimizer)->step({});
    }
    EXPECT_TRUE(a.equal(c)) << name;
    EXPECT_TRUE(b.equal(d)) << name;
    EXPECT_FALSE(a.equal(b)) << name;
  }
}

TEST(Optimizer, LayersMoveAtTheirOwnRates) {
  nn::Sequential net(nn::Linear(2, 2), nn::Linear(2, 2), nn::Linear(2, 2));
  const auto optimizer = optimizers().make({"sgd", Table({{"lr", 1.0}})}, param_groups(*net, {.layer_decay = 0.5}));
  std::map<std::string, Tensor> before;
  for (const auto& item : net->named_parameters()) {
    before[item.key()] = item.value().detach().clone();
    item.value().mutable_grad() = torch::ones_like(item.value());
  }
  optimizer->step({});
  for (const auto& [layer, rate] : std::map<std::string, double>{{"0", 0.25}, {"1", 0.5}, {"2", 1}})
    for (const auto* kind : {".weight", ".bias"}) {
      const auto moved = before[layer + kind] - net->named_parameters()[layer + kind];
      EXPECT_NEAR(moved.min().item<double>(), rate, 1e-6) << layer << kind;
      EXPECT_NEAR(moved.max().item<double>(), rate, 1e-6) << layer << kind;
    }
}

TEST(Optimizer, MuonLeavesEmbeddingsAndLastLayersToAdamW) {
  TensorsByName params;
  for (const auto* name : {"hidden.weight", "block.projection.weight", "linear.weight", "projection.weight",
                           "fc.weight", "head.weight", "positions", "encoder.position_enc", "wte.weight"}) {
    params.emplace_back(name, torch::ones({3, 3}).requires_grad_());
    params.back().second.mutable_grad() = torch::randn({3, 3});
  }
  const auto optimizer = optimizers().make({"muon", {}}, {{params}});
  optimizer->step({});
  std::vector<std::string> orthogonal;
  for (const auto& [name, tensor] : optimizer->state())
    if (name.starts_with("momentum_buffer.")) orthogonal.push_back(name.substr(16));
  EXPECT_THAT(orthogonal, testing::UnorderedElementsAre("hidden.weight", "block.projection.weight"));
}

TEST(Optimizer, MuonsAdamWTakesEverySettingOfAdamW) {
  const auto path = [](const Part& part) {
    auto vector = torch::ones({5}, at::kDouble).requires_grad_();
    const auto optimizer = optimizers().make(part, {{{{"vector", vector}}}});
    for (int i = 0; i < 5; ++i) {
      vector.mutable_grad() = torch::arange(5, at::kDouble) - i;
      optimizer->step({});
    }
    return vector.detach();
  };
  const Table adamw = {{"lr", 0.125}, {"beta1", 0.8}, {"eps", 1e-3}, {"weight_decay", 0.1}, {"amsgrad", true}};
  EXPECT_LT(test::relative_error(path({"muon", {{"lr", 0.5}, {"adamw", adamw}}}), path({"adamw", adamw})), 1e-14);
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
  EXPECT_ERROR(make("sam", {{"base", Table{{"name", "adamw"}, {"lr", -3}}}}), "train.optimizer.base.lr wants a number");
  EXPECT_ERROR(make("sam", {{"base", "lbfgs"}}), "base = \"lbfgs\" evaluates the loss again itself");
  EXPECT_ERROR(make("sam", {{"base", "adamx"}}), "nearest: adam");
  EXPECT_ERROR(make("sam", {{"base", Table{{"name", "sgd"}, {"maximize", true}}}}), "worst point nearby");
  EXPECT_ERROR(make("muon", {{"adamw", Table{{"maximize", true}}}}), "climb with vectors while matrices descend");
  for (const auto& name : {"sam", "lbfgs"}) EXPECT_ERROR(make(name, {})->step({}), "give it a closure");
}

TEST(Optimizer, SaysWhereItsRateStands) {
  for (const auto& name : optimizers().names())
    EXPECT_EQ(lr_path({name, {}}), name == "sam" ? "base.lr" : "lr") << name;
  EXPECT_EQ(lr_path({"sam", {{"base", "muon"}}}), "base.lr");
}

TEST(Optimizer, SaysWhatNesterovWants) {
  EXPECT_ERROR(optimizers().make({"sgd", Table({{"nesterov", true}})}, {}), "nesterov wants momentum above 0");
  EXPECT_ERROR(optimizers().make({"adamx", {}}, {}), "adam");
}

}  // namespace
}  // namespace hadal
