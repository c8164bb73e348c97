#include "hadal/train/fit.h"

#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adam.h>

#include "hadal/optim/schedule.h"

#include "tests/train/regression.h"

namespace hadal {
namespace {

Tensor inputs_of(const BatchPlan& plan) {
  std::vector<Tensor> rows;
  for (const auto index : plan.indices) {
    const auto x = static_cast<double>(index);
    rows.push_back(torch::tensor({5 * std::sin(x), 3 * std::cos(x)}, torch::kFloat64));
  }
  return at::stack(rows);
}

Pairs numbers(const BatchPlan& plan) {
  const auto x = inputs_of(plan);
  return {x, x.sum(1, true) * 3};
}

Pairs classes(const BatchPlan& plan) {
  const auto x = inputs_of(plan);
  return {x, x.select(1, 0).gt(0).to(torch::kInt64)};
}

nn::Linear small(int64_t out) {
  torch::manual_seed(4);
  nn::Linear net(2, out);
  net->to(torch::kFloat64);
  return net;
}

TEST(Fit, IsAdamWithOneCycleAndClippingByNorm) {
  auto net = small(1), by_hand = small(1);
  Loader<Pairs> loader({.size = 20, .batch = 6}, 1, numbers);
  test::Listener seen;
  fit(net, loader, 25, {.listeners = {&seen}});

  const auto schedule = schedules().make({"one_cycle", {}}, RunLength{100, 4});
  auto options = torch::optim::AdamOptions(1e-3);
  torch::optim::Adam adam(by_hand->parameters(), options);
  bool clipped = false;
  for (int64_t step = 0; step < 100; ++step) {
    if (step % 4 == 0) loader.start(step / 4);
    const auto batch = loader.next();
    adam.zero_grad();
    at::mse_loss(by_hand->forward(batch->input), batch->target).backward();
    clipped = torch::nn::utils::clip_grad_norm_(by_hand->parameters(), 1.0) > 1 || clipped;
    const auto rates = schedule(step);
    auto& now = static_cast<torch::optim::AdamOptions&>(adam.param_groups()[0].options());
    now.lr(1e-3 * rates.lr_factor).betas({*rates.momentum, 0.999});
    adam.step();
    EXPECT_DOUBLE_EQ(seen.events.at(step).lr, 1e-3 * rates.lr_factor);
  }
  EXPECT_EQ(seen.events.size(), 100U);
  EXPECT_TRUE(clipped);
  // LibTorch's Adam folds the bias corrections of a step elsewhere, as PyTorch's does.
  EXPECT_LT(test::relative_error(net->weight, by_hand->weight), 1e-9);
  EXPECT_LT(test::relative_error(net->bias, by_hand->bias), 1e-9);
}

TEST(Fit, LearnsClassesToo) {
  auto net = small(2);
  Loader<Pairs> loader({.size = 60, .batch = 10, .shuffle = true}, 1, classes);
  test::Listener seen;
  fit(net, loader, 30, {.optimizer = {"adam", Table{{"lr", 0.05}}}, .listeners = {&seen}});
  const auto all = classes({.indices = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}});
  EXPECT_EQ(net->forward(all.input).argmax(1).eq(all.target).sum().item<int64_t>(), 20);
  EXPECT_LT(seen.events.back().losses[0].second, 0.1);
}

TEST(Fit, EndsOnTheAverageWhereThatIsWhatItFinds) {
  auto net = small(1);
  Loader<Pairs> loader({.size = 20, .batch = 5}, 0, numbers);
  const Part optimizer{"schedule_free_adamw", Table{{"lr", 0.01}}};
  fit(net, loader, 30, {.optimizer = optimizer, .schedule = {"constant", {}}});

  auto by_hand = small(1);
  FitTask<Pairs> task(*by_hand, loader,
                      [&](const Pairs& batch) { return usual_loss(by_hand->forward(batch.input), batch.target); });
  Trainer trainer(task, {.epochs = 30,
                         .optimizer = optimizer,
                         .schedule = {"constant", {}},
                         .clip = 1,
                         .precision = "fp32",
                         .device = "cpu"});
  trainer.run();
  EXPECT_TRUE(net->weight.equal(by_hand->weight));
  const auto at_end = by_hand->weight.detach().clone();
  const_cast<Optimizer&>(trainer.optimizer()).show_scored(false);
  EXPECT_FALSE(by_hand->weight.equal(at_end));  // where gradients were taken
}

TEST(Fit, RefusesTargetsOfAnotherShape) {
  auto net = small(1);
  Loader<Pairs> flat({.size = 20, .batch = 5}, 0, [](const BatchPlan& plan) {
    const auto x = inputs_of(plan);
    return Pairs{x, x.sum(1)};
  });
  EXPECT_ERROR(fit(net, flat, 1), "[fit] the model gives (5, 1) and the target is (5): make them the same shape");
  Loader<Pairs> narrow({.size = 20, .batch = 5}, 0, [](const BatchPlan& plan) {
    const auto pairs = classes(plan);
    return Pairs{pairs.input, pairs.target.to(torch::kInt32)};
  });
  EXPECT_ERROR(fit(net, narrow, 1), "[fit] class numbers are int64, numbers to learn are floats; got int");
}

TEST(Fit, TakesALossOfYourOwn) {
  auto net = small(1);
  Loader<Pairs> loader({.size = 20, .batch = 5}, 0, numbers);
  test::Listener seen;
  fit<Pairs>(*net, loader, [&](const Pairs& batch) { return (net->forward(batch.input) - batch.target).abs().mean(); },
             {.epochs = 30, .optimizer = {"adam", Table{{"lr", 0.1}}}, .listeners = {&seen}});
  EXPECT_LT(seen.events.back().losses[0].second, 0.2 * seen.events.front().losses[0].second);
}

}  // namespace
}  // namespace hadal
