// Steps whose loss or gradients are not finite leave no trace, and too many of them end the run.
#include "hadal/report/history.h"
#include "hadal/train/checkpoint.h"

#include "tests/train/regression.h"

namespace hadal {
namespace {

using test::Listener;
using test::quiet_config;
using test::Regression;

/// Trains with the loss poisoned in the given steps.
struct Poisoned {
  explicit Poisoned(const std::set<int64_t>& steps, int64_t allowed = 3, const test::RegressionOptions& options = {})
      : task(options) {
    config.bad_steps = allowed;
    task.poison = [steps](const Tensor& loss, int64_t call) { return steps.contains(call) ? loss * NAN : loss; };
  }
  Trainer::Outcome run() {
    Trainer trainer(task, config);
    seen.act = [this](int64_t) { weights.push_back(task.model().parameters()[0].detach().clone()); };
    trainer.listen(seen);
    return trainer.run();
  }
  TrainConfig config = quiet_config();
  Regression task;
  Listener seen;
  std::vector<Tensor> weights;  // after each step
};

TEST(Safety, ABadStepIsSkippedAndCounted) {
  Poisoned run({3, 7, 8});
  const auto outcome = run.run();
  EXPECT_TRUE(outcome.done);
  EXPECT_EQ(outcome.state.skipped, 3);
  for (size_t step = 1; step <= 10; ++step) {
    const bool bad = step == 3 || step == 7 || step == 8;
    EXPECT_EQ(run.seen.events[step - 1].skipped, bad) << step;
    if (step > 1) {
      EXPECT_EQ(run.weights[step - 1].equal(run.weights[step - 2]), bad) << step;
    }
  }
  // Two evaluations: the first after one bad step, both with the mean loss of the good ones.
  ASSERT_EQ(run.seen.evaluations.size(), 2U);
  EXPECT_EQ(*find_value(run.seen.evaluations[0].second, "skipped_steps"), 1);
  EXPECT_EQ(*find_value(run.seen.evaluations[1].second, "skipped_steps"), 3);
  for (const auto& [step, values] : run.seen.evaluations) EXPECT_TRUE(std::isfinite(*find_value(values, "train/loss")));
}

TEST(Safety, WhoWatchesTheLossWaitsWhereEveryStepWasSkipped) {
  Poisoned run({6, 7, 8, 9, 10}, 30);  // the second of two evaluations has no loss
  run.config.early_stopping = {.patience = 5, .metric = "train/loss"};
  EXPECT_TRUE(run.run().done);
  EXPECT_EQ(find_value(run.seen.evaluations.back().second, "train/loss"), nullptr);
}

TEST(Safety, ARunWithoutBadStepsDoesNotSpeakOfThem) {
  Poisoned run({});
  run.run();
  EXPECT_EQ(find_value(run.seen.evaluations[0].second, "skipped_steps"), nullptr);
}

TEST(Safety, TooManyInARowEndTheRunAndNameTheFirstBadParameter) {
  EXPECT_TRUE(Poisoned({2, 3, 5, 6, 8, 9}).run().done);
  Poisoned row({4, 5, 6});
  EXPECT_ERROR(row.run(),
               "[train] the loss is nan in step 6, the last of 3 in a row that were skipped: 0.weight is the first "
               "that is not finite; a lower learning rate");
  Poisoned at_once({4}, 1);
  EXPECT_ERROR(at_once.run(), "the loss is nan in step 4: 0.weight is the first that is not finite");
}

TEST(Safety, WeightsThatAreNotFiniteAreNeitherKeptNorScored) {
  const test::TemporaryFolder folder;
  Regression task({});
  auto config = quiet_config();
  config.optimizer = {"sgd", {{"lr", 1e-3}}};
  config.checkpoint_steps = 1;
  Trainer trainer(task, config, folder.path());
  Listener seen;
  seen.act = [&](int64_t step) {
    const torch::NoGradGuard no_grad;
    if (step == 3) task.model().named_parameters()["3.weight"].fill_(INFINITY);  // as too high a rate makes it
  };
  trainer.listen(seen);
  EXPECT_ERROR(trainer.run(), "[train] 3.weight is not finite after step 5");  // where it is scored
  const auto kept = Checkpoint::load(folder / "checkpoint/last.safetensors");
  EXPECT_EQ(kept.progress.state.step, 2);
  for (const auto& [name, tensor] : kept.group("model")) EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
}

TEST(Safety, AGradientAloneCanBeBad) {
  Poisoned run({}, 1);
  run.task.poison = [&](const Tensor& loss, int64_t call) {
    // 0.5 / sqrt(0) x 0, for the last layer alone
    return call == 4 ? loss + (run.task.model().named_parameters()["3.weight"] * 0).sqrt().sum() : loss;
  };
  EXPECT_ERROR(run.run(), "the gradients are not finite in step 4: 3.weight is the first that is not finite");
  EXPECT_EQ(run.seen.events.size(), 3U);
}

TEST(Safety, ASkippedStepLeavesNoTraceInRunningStatistics) {
  Poisoned run({}, 3, {.norm = true});
  std::vector<Tensor> before;
  run.task.poison = [&](const Tensor& loss, int64_t call) {
    auto mean = run.task.model().named_buffers()["1.running_mean"];
    if (call == 4) before.push_back(mean.clone());
    if (call == 5) mean.fill_(NAN);  // as a batch with a value that is not finite does
    if (call == 6) before.push_back(mean.clone());
    return call == 5 ? run.task.model().named_parameters()["4.bias"].sum() * NAN : loss;
  };
  run.run();
  for (const auto& buffer : run.task.model().buffers()) EXPECT_TRUE(buffer.isfinite().all().item<bool>());
  EXPECT_FALSE(before[1].equal(before[0]));  // good steps move them
}

TEST(Safety, ASecondLookIsNoBatchMoreToBatchNorm) {
  Poisoned run({}, 3, {.norm = true});
  run.config.optimizer = {"sam", {}};
  const auto steps = run.run().state.step;
  EXPECT_EQ(run.task.model().named_buffers()["1.num_batches_tracked"].item<int64_t>(), steps);
}

TEST(Safety, AStepThatLooksWhereNothingIsFiniteIsSkipped) {
  for (const auto& optimizer : {Part{"sam", {}}, Part{"lbfgs", {{"lr", 0.1}, {"max_iter", 2}}}}) {
    SCOPED_TRACE(optimizer.name);
    Poisoned run({4}, 3, {.norm = true});  // the second look of the second step
    run.config.optimizer = optimizer;
    const auto outcome = run.run();
    EXPECT_EQ(outcome.state.skipped, 1);
    EXPECT_TRUE(run.seen.events[1].skipped);
    EXPECT_TRUE(run.weights[1].equal(run.weights[0]));
    EXPECT_FALSE(run.weights[2].equal(run.weights[1]));
    for (const auto& weight : run.weights) EXPECT_TRUE(weight.isfinite().all().item<bool>());
    Poisoned last({4}, 1, {.norm = true});
    last.config.optimizer = optimizer;
    EXPECT_ERROR(last.run(), "loss or gradients near the weights are not finite in step 2: 0.weight is the first");
  }
}

TEST(Safety, ABatchMovesRunningStatisticsOnceHoweverOftenItIsLookedAt) {
  const auto mean_after = [](const Part& optimizer) {
    Poisoned run({}, 3, {.norm = true});
    run.config.optimizer = optimizer;
    run.config.steps = 1;
    run.run();
    return run.task.model().named_buffers()["1.running_mean"].clone();
  };
  const auto once = mean_after({"sgd", {}});
  EXPECT_TRUE(mean_after({"sam", {}}).equal(once));
  EXPECT_TRUE(mean_after({"lbfgs", {}}).equal(once));
}

TEST(Safety, AnOverflowThatTheLossScaleCausesIsSkippedAndIsNoBadStep) {
  const test::TemporaryFolder folder;
  Poisoned run({}, 1, {.norm = true});  // the first bad step would end the run
  run.config.precision = "fp16";        // of the products alone: the weights here are double
  run.task.poison = [&](const Tensor& loss, int64_t call) {
    if (call == 4) run.task.model().named_buffers()["1.running_mean"].fill_(NAN);
    if (call == 4) return (run.task.model().named_parameters()["4.weight"] * 0).sqrt().sum();
    return call == 7 ? loss * INFINITY : loss;
  };
  Trainer trainer(run.task, run.config, folder.path());
  run.seen.act = [&](int64_t) { run.weights.push_back(run.task.model().parameters()[0].detach().clone()); };
  trainer.listen(run.seen);
  const auto outcome = trainer.run();
  EXPECT_TRUE(outcome.done);
  EXPECT_EQ(outcome.state.skipped, 2);
  for (const size_t step : {4, 7}) {
    EXPECT_TRUE(run.seen.events[step - 1].skipped) << step;
    EXPECT_TRUE(run.weights[step - 1].equal(run.weights[step - 2])) << step;
  }
  for (const auto& buffer : run.task.model().buffers()) EXPECT_TRUE(buffer.isfinite().all().item<bool>());
  for (const auto& [step, values] : run.seen.evaluations)
    EXPECT_TRUE(std::isfinite(*find_value(values, "train/loss"))) << step;
  const auto progress = Checkpoint::load(folder / "checkpoint/last.safetensors").progress;
  EXPECT_EQ(progress.loss_scale, 65536 / 4);
  EXPECT_EQ(progress.bad_steps, 0);
}

TEST(Safety, TheNormOfEveryPhaseIsLogged) {
  Poisoned run({});
  run.run();
  EXPECT_GT(*find_value(run.seen.events[0].grad_norms, "grad_norm"), 0);
  EXPECT_EQ(*find_value(run.seen.evaluations[0].second, "grad_norm"),
            *find_value(run.seen.events[4].grad_norms, "grad_norm"));
}

}  // namespace
}  // namespace hadal
