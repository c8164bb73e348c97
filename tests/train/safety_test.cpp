// Steps whose loss or gradients are not finite leave no trace, and too many of them end the run.
#include "hadal/train/history.h"

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

TEST(Safety, TheNormOfEveryPhaseIsLogged) {
  Poisoned run({});
  run.run();
  EXPECT_GT(*find_value(run.seen.events[0].grad_norms, "grad_norm"), 0);
  EXPECT_EQ(*find_value(run.seen.evaluations[0].second, "grad_norm"),
            *find_value(run.seen.events[4].grad_norms, "grad_norm"));
}

}  // namespace
}  // namespace hadal
