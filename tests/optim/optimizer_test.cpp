#include "hadal/optim/optimizer.h"

#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

/// A tensor on its way to `target`: the problem of tests/golden/areas/optim.py.
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

struct Rule {
  const char* name;  // in the golden file
  Part part;
};

std::vector<Rule> rules() {
  return {
      {"adam", {"adam", Table({{"lr", 0.05}, {"weight_decay", 0.01}})}},
      {"adamw", {"adamw", Table({{"lr", 0.05}, {"beta1", 0.8}, {"beta2", 0.95}, {"weight_decay", 0.1}})}},
      {"sgd", {"sgd", Table({{"lr", 0.05}})}},
      {"sgd_momentum", {"sgd", Table({{"lr", 0.05}, {"momentum", 0.9}, {"dampening", 0.1}, {"weight_decay", 0.01}})}},
      {"sgd_nesterov", {"sgd", Table({{"lr", 0.05}, {"momentum", 0.9}, {"nesterov", true}})}}};
}

TEST(Optimizer, EveryStepIsPyTorchs) {
  const auto golden = read_safetensors(test::golden("optim.safetensors")).index();
  for (const auto& [name, part] : rules()) {
    Descent descent(part, golden.at("start"), golden.at("target"));
    const auto& path = golden.at(name);
    ASSERT_EQ(path.size(0), 50);
    for (int64_t i = 0; i < path.size(0); ++i) {
      descent.step();
      ASSERT_LT(test::relative_error(descent.weight, path[i]), 1e-10) << name << ", step " << i + 1;
    }
  }
}

TEST(Optimizer, ASavedStateGoesOnBitForBit) {
  const auto golden = read_safetensors(test::golden("optim.safetensors")).index();
  for (const auto& [name, part] : rules()) {
    Descent straight(part, golden.at("start"), golden.at("target"));
    for (int i = 0; i < 7; ++i) straight.step();
    Descent resumed(part, straight.weight.detach(), golden.at("target"));
    TensorsByName copy;
    for (const auto& [key, tensor] : straight.optimizer->state()) copy.emplace_back(key, tensor.clone());
    resumed.optimizer->load_state(copy);
    for (int i = 0; i < 7; ++i) straight.step(), resumed.step();
    EXPECT_TRUE(straight.weight.equal(resumed.weight)) << name;
  }
}

TEST(Optimizer, RefusesTheStateOfAnother) {
  const auto start = torch::zeros({2, 3});
  Descent adam({"adam", {}}, start, start), sgd({"sgd", Table({{"momentum", 0.9}})}, start, start);
  Descent wide({"adam", {}}, torch::zeros({4, 3}), torch::zeros({4, 3}));
  EXPECT_ERROR(sgd.optimizer->load_state(adam.optimizer->state()), "no momentum_buffer.weight");
  EXPECT_ERROR(wide.optimizer->load_state(adam.optimizer->state()), "exp_avg.weight is 2x3 in the saved state and 4x3");
}

TEST(Optimizer, NormsAndBiasesHaveNoDecay) {
  nn::Sequential net(nn::Linear(3, 4), nn::LayerNorm(nn::LayerNormOptions({4})));
  const auto groups = param_groups(*net, false);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].params.size(), 1U);
  EXPECT_EQ(groups[0].params[0].first, "0.weight");
  EXPECT_EQ(groups[1].params.size(), 3U);
  EXPECT_EQ(groups[1].decay_scale, 0);
  EXPECT_EQ(param_groups(*net, true).size(), 1U);

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

TEST(Optimizer, AFrozenParameterIsNotMoved) {
  nn::Sequential net(nn::Linear(3, 4));
  net->parameters()[1].set_requires_grad(false);
  const auto groups = param_groups(*net, true);
  ASSERT_EQ(groups.size(), 1U);
  ASSERT_EQ(groups[0].params.size(), 1U);
  EXPECT_EQ(groups[0].params[0].first, "0.weight");
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

TEST(Optimizer, ClipsTheNormOfAllGradientsTogether) {
  auto a = torch::zeros({2}, torch::requires_grad()), b = torch::zeros({1}, torch::requires_grad());
  auto without = torch::zeros({5}, torch::requires_grad());
  a.mutable_grad() = torch::tensor({3.0F, 0.0F});
  b.mutable_grad() = torch::tensor({4.0F});
  EXPECT_FLOAT_EQ(grad_norm({a, b, without}).item<float>(), 5);
  EXPECT_FLOAT_EQ(clip_grad_norm({a, b, without}, 10).item<float>(), 5);
  EXPECT_FLOAT_EQ(a.grad()[0].item<float>(), 3);  // small enough: left as it was
  EXPECT_FLOAT_EQ(clip_grad_norm({a, b, without}, 2).item<float>(), 5);
  EXPECT_NEAR(grad_norm({a, b}).item<double>(), 2, 1e-5);
  EXPECT_NEAR(a.grad()[0].item<double>(), 1.2, 1e-5);
  EXPECT_NEAR(b.grad()[0].item<double>(), 1.6, 1e-5);
  EXPECT_FLOAT_EQ(grad_norm({without}).item<float>(), 0);
}

TEST(Optimizer, SaysWhatNesterovWants) {
  EXPECT_ERROR(optimizers().make({"sgd", Table({{"nesterov", true}})}, {}), "nesterov wants momentum above 0");
  EXPECT_ERROR(optimizers().make({"adamx", {}}, {}), "adam");
}

}  // namespace
}  // namespace hadal
