#include "hadal/optim/average.h"

#include <cmath>

#include "tests/support/support.h"

namespace hadal {
namespace {

void set_weights(nn::Module& module, double value) {
  const torch::NoGradGuard no_grad;
  for (auto& parameter : module.parameters()) parameter.fill_(value);
}

double average_of(const Average& average) { return average.state()[0].second.flatten()[0].item<double>(); }

TEST(Ema, TheFirstStepsForgetTheStart) {
  nn::Linear layer(nn::LinearOptions(2, 1).bias(false));
  layer->to(torch::kFloat64);
  set_weights(*layer, 1);
  Ema ema(*layer, 0.5);
  auto expected = 1.0;
  for (int64_t step = 1; step <= 12; ++step) {
    const auto weight = static_cast<double>(step * step);
    set_weights(*layer, weight);
    ema.update(step);
    const auto n = static_cast<double>(step), decay = std::min(0.5, (1 + n) / (10 + n));
    expected = decay * expected + (1 - decay) * weight;
    EXPECT_NEAR(average_of(ema), expected, 1e-12 * expected) << step;
  }
  EXPECT_EQ(layer->weight[0][0].item<double>(), 144);  // the weights themselves are left alone
}

TEST(Ema, TheWarmUpCanBeLongerOrNone) {
  nn::Linear layer(nn::LinearOptions(1, 1).bias(false));
  layer->to(torch::kFloat64);
  set_weights(*layer, 0);
  Ema none(*layer, 0.9, 0), longer(*layer, 0.9, 100);
  set_weights(*layer, 1);
  none.update(1), longer.update(1);
  EXPECT_NEAR(average_of(none), 0.1, 1e-12);
  EXPECT_NEAR(average_of(longer), 1 - 2.0 / 101, 1e-12);
}

// Statistics of one set of weights say nothing of another's.
TEST(Ema, RunningStatisticsBelongToTheWeights) {
  nn::BatchNorm1d norm(1);
  Ema ema(*norm, 0.5, 0);
  norm->running_mean.fill_(4), norm->running_var.fill_(3);
  norm->num_batches_tracked.fill_(7);
  ema.update(1);
  {
    const Average::Swap shown(&ema);
    EXPECT_EQ(norm->running_mean[0].item<double>(), 2);
    EXPECT_EQ(norm->running_var[0].item<double>(), 2);
    EXPECT_EQ(norm->num_batches_tracked.item<int64_t>(), 7) << "a count is no statistic";
  }
  EXPECT_EQ(norm->running_mean[0].item<double>(), 4);
  Swa swa(*norm);  // takes them anew at its end
  swa.update();
  EXPECT_EQ(swa.state().size(), 3u);
}

TEST(StatisticsMean, IsThePlainMeanOverTheSteps) {
  nn::BatchNorm1d norm(1);
  StatisticsMean mean(*norm);
  for (int64_t step = 1; step <= 3; ++step) norm->running_mean.fill_(static_cast<double>(step * 3)), mean.update(step);
  mean.settle();
  EXPECT_EQ(norm->running_mean[0].item<double>(), 6);
}

TEST(Ema, WhatIsFrozenStaysAsItIs) {
  nn::Linear layer(1, 1);
  layer->weight.set_requires_grad(false);
  EXPECT_EQ(Ema(*layer, 0.9).state().size(), 1u);
}

TEST(Swa, IsThePlainMean) {
  nn::Linear layer(nn::LinearOptions(2, 1).bias(false));
  layer->to(torch::kFloat64);
  Swa swa(*layer), resumed(*layer);
  for (const double value : {1.0, 5.0, 3.0}) set_weights(*layer, value), swa.update();
  EXPECT_EQ(swa.count(), 3);
  EXPECT_NEAR(average_of(swa), 3, 1e-12);
  set_weights(*layer, 11);
  resumed.load_state(swa.state());
  swa.update(), resumed.update();
  EXPECT_NEAR(average_of(swa), 5, 1e-12);
  EXPECT_TRUE(swa.state()[0].second.equal(resumed.state()[0].second));
  EXPECT_EQ(layer->weight[0][0].item<double>(), 11);
  swa.settle();
  EXPECT_NEAR(layer->weight[0][0].item<double>(), 5, 1e-12);
  Ema other(*layer, 0.9);
  EXPECT_ERROR(resumed.load_state(other.state()), "the saved average has no count");
}

TEST(Ema, ASwapLastsAsLongAsItsObject) {
  nn::Sequential net(nn::Linear(3, 4), nn::BatchNorm1d(4));
  Ema ema(*net, 0.9);
  set_weights(*net, 0.1);
  ema.update(1);
  const auto weight = net->parameters()[0].detach().clone();
  const auto average = ema.state()[0].second.clone();
  ASSERT_FALSE(weight.equal(average));
  for (int i = 0; i < 3; ++i) {
    {
      const Average::Swap swap(&ema);
      EXPECT_TRUE(net->parameters()[0].equal(average));
    }
    EXPECT_TRUE(net->parameters()[0].equal(weight));
    EXPECT_TRUE(ema.state()[0].second.equal(average));
  }
  const Average::Swap none(nullptr);  // a run without an average
  EXPECT_TRUE(net->parameters()[0].equal(weight));
}

TEST(Ema, KeepsMoreThanHalfPrecision) {
  nn::Linear layer(nn::LinearOptions(1, 1).bias(false));
  layer->to(torch::kBFloat16);
  set_weights(*layer, 0);
  Ema ema(*layer, 0.999, 0);
  set_weights(*layer, 1);
  for (int64_t step = 1; step <= 3000; ++step) {
    ema.update(step);
    if (step % 100 == 0) const Average::Swap seen(&ema);  // looking at it rounds nothing
  }
  EXPECT_NEAR(average_of(ema), 1 - std::pow(0.999, 3000), 1e-4);
}

TEST(Ema, TakesNoStateOfAnotherModel) {
  nn::Sequential one(nn::Linear(1, 1)), two(nn::Linear(1, 1), nn::Linear(1, 1));
  nn::Linear layer(1, 1);
  Ema alone(*layer, 0.9), in_a_row(*two, 0.9);
  EXPECT_ERROR(alone.load_state(Ema(*one, 0.9).state()), "the saved one has 0.weight where the model has weight");
  auto turned = in_a_row.state();
  std::swap(turned[0], turned[2]), std::swap(turned[1], turned[3]);
  EXPECT_ERROR(in_a_row.load_state(turned), "the saved one has 1.weight where the model has 0.weight");
}

TEST(Ema, ASavedStateGoesOn) {
  nn::Linear layer(2, 2);
  Ema first(*layer, 0.9);
  set_weights(*layer, 3);
  first.update(1);
  Ema second(*layer, 0.9);
  second.load_state(first.state());
  set_weights(*layer, 5);
  first.update(2);
  second.update(2);
  EXPECT_TRUE(first.state()[0].second.equal(second.state()[0].second));
  nn::Linear other(nn::LinearOptions(2, 2).bias(false));
  Ema smaller(*other, 0.9);
  EXPECT_ERROR(smaller.load_state(first.state()), "has 2 tensors, the model 1");
}

}  // namespace
}  // namespace hadal
