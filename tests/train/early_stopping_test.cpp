#include "hadal/train/early_stopping.h"

#include "tests/train/regression.h"

namespace hadal {
namespace {

using test::quiet_config;
using test::Regression;

struct Stopped {
  int64_t epochs = 0;
  Tensor weight;                  // the model's first, when the run has ended
  std::vector<Tensor> evaluated;  // the same at each evaluation
};

/// A run of at most 8 epochs whose evaluations give `scores`; 5 steps an epoch.
Stopped run_with(const EarlyStoppingConfig& stopping, const std::vector<double>& scores,
                 const std::filesystem::path& folder = {}) {
  auto config = quiet_config();
  config.epochs = 8;
  config.early_stopping = stopping;
  Regression task({});
  task.given = scores;
  const auto outcome = Trainer(task, config, folder).run();
  EXPECT_TRUE(outcome.done);
  return {outcome.state.step / 5, task.model().parameters()[0].detach().clone(), task.evaluated};
}

const std::vector<double> kScores = {1, 0.9, 0.95, 0.89, 0.95, 0.96, 0.97, 0.8};

TEST(EarlyStopping, EndsWhenPatienceIsSpent) {
  EXPECT_EQ(run_with({.patience = 1}, kScores).epochs, 3);
  EXPECT_EQ(run_with({.patience = 2}, kScores).epochs, 6);
  EXPECT_EQ(run_with({.patience = 3}, kScores).epochs, 7);
  EXPECT_EQ(run_with({.patience = 4}, kScores).epochs, 8);
  EXPECT_EQ(run_with({}, kScores).epochs, 8);
}

TEST(EarlyStopping, SmallStepsAreNoProgress) {
  EXPECT_EQ(run_with({.patience = 2, .min_delta = 0.05}, kScores).epochs, 4);
  EXPECT_EQ(run_with({.patience = 2, .min_delta = 0.2}, kScores).epochs, 3);
}

TEST(EarlyStopping, WaitsForTheLeastEpochs) {
  EXPECT_EQ(run_with({.patience = 1, .min_epochs = 3}, kScores).epochs, 3);
  EXPECT_EQ(run_with({.patience = 1, .min_epochs = 4}, kScores).epochs, 5);  // the fourth was progress
}

TEST(EarlyStopping, KnowsWhichWayIsBetter) {
  EXPECT_EQ(run_with({.patience = 2, .mode = "max"}, kScores).epochs, 3);
  EXPECT_EQ(run_with({.patience = 3, .metric = "train/loss"}, kScores).epochs, 8);  // that falls all the time
}

TEST(EarlyStopping, AScoreThatIsNoNumberIsNoProgress) {
  EXPECT_EQ(run_with({.patience = 2}, {1, NAN, NAN, 0.1, 0.1, 0.1, 0.1, 0.1}).epochs, 3);
}

TEST(EarlyStopping, GivesTheBestWeightsBack) {
  const test::TemporaryFolder folder;
  for (const auto& place : {std::filesystem::path(), folder.path()}) {
    const auto stopped = run_with({.patience = 2}, kScores, place);
    EXPECT_TRUE(stopped.weight.equal(stopped.evaluated[3]));
    EXPECT_FALSE(stopped.weight.equal(stopped.evaluated[5]));
  }
  const auto last = run_with({.patience = 2, .restore_best = false}, kScores);
  EXPECT_TRUE(last.weight.equal(last.evaluated[5]));
}

TEST(EarlyStopping, RefusesWhatItCannotWatch) {
  EXPECT_ERROR(run_with({.patience = 1, .metric = "accuracy"}, kScores),
               "metric = \"accuracy\" wants mode = \"min\" or \"max\": which way is better");
  EXPECT_ERROR(run_with({.patience = 1, .metric = "acuracy", .mode = "max"}, kScores),
               "the early stopping watches val/acuracy, which this run does not measure; known: ");
  EXPECT_ERROR(run_with({.patience = 1, .metric = "test/loss"}, kScores),
               "the early stopping watches test/loss, and the test split is scored at the end alone; watch val/loss");
  auto config = quiet_config();
  config.early_stopping.patience = 1;
  Regression task({.val = false});
  EXPECT_ERROR(Trainer(task, config), "the early stopping watches val/loss, but the run scores no val split");
  config.swa.begin = {0.5};
  EXPECT_ERROR(config.validate(), "leave out train.early_stopping");
  EXPECT_ERROR((EarlyStoppingConfig{.min_delta = 0.1}.validate()),
               "train.early_stopping has a min_delta but no patience, and so would never stop");
  EXPECT_ERROR((EarlyStoppingConfig{.restore_best = false}.validate()), "has a restore_best but no patience");
}

}  // namespace
}  // namespace hadal
