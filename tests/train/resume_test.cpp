// A run that was stopped, at whatever step and in whatever way, and resumed must equal one that never stopped: bit for
// bit.
#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/io/safetensors.h"

#include "tests/train/regression.h"

namespace hadal {
namespace {

using test::Listener;
using test::Regression;

using Evaluations = std::vector<std::pair<int64_t, Metrics>>;

/// Everything at once: 5 batches an epoch, the last not full, 3 steps an epoch, evaluations in the middle of it.
TrainConfig hard_config(const Part& optimizer) {
  auto config = test::quiet_config();
  config.epochs = 3;
  config.accumulate = 2;
  config.clip = 0.5;
  config.ema = 0.8;
  config.optimizer = optimizer;
  config.schedule = {"one_cycle", {}};
  config.evaluate_every = 0.67;
  return config;
}

struct Sitting {
  Evaluations evaluations;
  bool done = false;
  std::string error = {};
};

/// Trains from the folder's checkpoint where there is one; `act` is called at each step.
Sitting sit(const std::filesystem::path& folder, const TrainConfig& config, std::function<void(int64_t)> act = {},
            test::RegressionOptions options = {}) {
  torch::manual_seed(99);  // whatever the program drew before must not matter
  options.dropout = 0.4, options.noise = 0.1, options.shuffle = options.norm = true;
  Regression task(options);
  Trainer trainer(task, config, folder);
  torch::manual_seed(1);
  const auto checkpoint = folder / "checkpoint/last.safetensors";
  if (std::filesystem::exists(checkpoint)) {
    torch::manual_seed(1234);
    trainer.resume(checkpoint);
  }
  Listener seen;
  seen.act = std::move(act);
  trainer.listen(seen);
  Sitting out;
  try {
    out.done = trainer.run().done;
  } catch (const std::logic_error&) {  // a test's own end
  } catch (const FileError& error) {
    out.error = error.what();
  }
  stop_requested() = false;
  out.evaluations = seen.evaluations;
  return out;
}

void expect_same(const std::filesystem::path& a, const std::filesystem::path& b) {
  for (const auto* name : {"weights/best.safetensors", "weights/last.safetensors"})
    EXPECT_EQ(read_file(a / name), read_file(b / name)) << name;
  const auto one = Checkpoint::load(a / "checkpoint/last.safetensors");
  const auto two = Checkpoint::load(b / "checkpoint/last.safetensors");
  ASSERT_EQ(one.groups.size(), two.groups.size());
  for (size_t group = 0; group < one.groups.size(); ++group) {
    ASSERT_EQ(one.groups[group].first, two.groups[group].first);
    ASSERT_EQ(one.groups[group].second.size(), two.groups[group].second.size());
    for (size_t i = 0; i < one.groups[group].second.size(); ++i)
      EXPECT_TRUE(one.groups[group].second[i].second.equal(two.groups[group].second[i].second))
          << one.groups[group].first << "/" << one.groups[group].second[i].first;
  }
  EXPECT_EQ(one.progress.best, two.progress.best);
  EXPECT_EQ(one.progress.last, two.progress.last);
  EXPECT_EQ(one.progress.best_step, two.progress.best_step);
  EXPECT_EQ(one.progress.state.step, two.progress.state.step);
}

const std::vector<Part>& parts() {
  static const std::vector<Part> all = {{"adamw", {{"lr", 0.02}}}, {"sgd", {{"lr", 0.05}, {"momentum", 0.9}}}};
  return all;
}

TEST(Resume, AfterAStopAtEveryStep) {
  for (const auto& part : parts()) {
    const auto config = hard_config(part);
    const test::TemporaryFolder straight;
    const auto whole = sit(straight.path(), config);
    ASSERT_EQ(whole.evaluations.size(), 5U);  // at 2, 4, 6, 8 and 9
    for (int64_t stop = 1; stop < 9; ++stop) {
      SCOPED_TRACE(fmt::format("{}, stopped at {}", part.name, stop));
      const test::TemporaryFolder folder;
      auto seen = sit(folder.path(), config, [stop](int64_t step) { stop_requested() = step == stop; });
      EXPECT_FALSE(seen.done);
      const auto rest = sit(folder.path(), config);
      EXPECT_TRUE(rest.done);
      seen.evaluations.insert(seen.evaluations.end(), rest.evaluations.begin(), rest.evaluations.end());
      EXPECT_EQ(seen.evaluations, whole.evaluations);
      expect_same(straight.path(), folder.path());
    }
  }
}

TEST(Resume, AfterAFileThatCannotBeRead) {
  const auto config = hard_config(parts()[0]);
  const test::TemporaryFolder straight;
  const auto whole = sit(straight.path(), config);
  const auto expect_whole = [&](const test::RegressionOptions& options, const TrainConfig& own) {
    const test::TemporaryFolder folder;
    auto seen = sit(folder.path(), own, {}, options);
    EXPECT_EQ(seen.error, "a.jpg: is cut short");
    const auto rest = sit(folder.path(), own);
    EXPECT_TRUE(rest.done);
    seen.evaluations.insert(seen.evaluations.end(), rest.evaluations.begin(), rest.evaluations.end());
    EXPECT_EQ(seen.evaluations, whole.evaluations);
    expect_same(straight.path(), folder.path());
  };
  // Batches 1 and 3 of an epoch are the second of their step: the first one's gradients are there already.
  for (int64_t epoch = 0; epoch < 3; ++epoch)
    for (int64_t batch = 0; batch < 5; ++batch) {
      SCOPED_TRACE(fmt::format("batch {} of epoch {}", batch, epoch));
      expect_whole({.read =
                        [=](const BatchPlan& plan) {
                          if (plan.epoch == epoch && plan.number == batch) throw FileError("a.jpg", "is cut short");
                        }},
                   config);
    }
  for (int64_t evaluation = 0; evaluation < 5; ++evaluation) {
    SCOPED_TRACE(fmt::format("evaluation {}", evaluation));
    const auto count = std::make_shared<int64_t>(0);
    expect_whole({.score =
                      [=] {
                        if ((*count)++ == evaluation) throw FileError("a.jpg", "is cut short");
                      }},
                 config);
  }
}

TEST(Resume, EveryOptimiserGoesOn) {
  for (const auto& name : optimizers().names()) {
    SCOPED_TRACE(name);
    auto config = hard_config({name, {}});
    config.accumulate = 1;
    const bool averages = optimizers().make({name, {}}, {})->averages();
    config.schedule = {averages ? "constant" : "linear", {}};
    if (averages) config.ema = 0;
    const test::TemporaryFolder straight, folder;
    sit(straight.path(), config);
    sit(folder.path(), config, [](int64_t step) { stop_requested() = step == 7; });
    EXPECT_TRUE(sit(folder.path(), config).done);
    expect_same(straight.path(), folder.path());
  }
}

/// The run is the same whole and stopped; `look` sees what the whole one left.
void expect_same_when_stopped(const TrainConfig& config,
                              const std::function<void(const std::filesystem::path&)>& look) {
  const test::TemporaryFolder straight;
  const auto whole = sit(straight.path(), config);
  ASSERT_TRUE(whole.done);
  look(straight.path());
  for (const int64_t stop : {2, 5, 7}) {  // before, in and behind the middle epoch
    SCOPED_TRACE(fmt::format("stopped at {}", stop));
    const test::TemporaryFolder folder;
    auto seen = sit(folder.path(), config, [stop](int64_t step) { stop_requested() = step == stop; });
    const auto rest = sit(folder.path(), config);
    EXPECT_TRUE(rest.done);
    seen.evaluations.insert(seen.evaluations.end(), rest.evaluations.begin(), rest.evaluations.end());
    EXPECT_EQ(seen.evaluations, whole.evaluations);
    expect_same(straight.path(), folder.path());
  }
}

Checkpoint checkpoint_in(const std::filesystem::path& folder) {
  return Checkpoint::load(folder / "checkpoint/last.safetensors");
}

TEST(Resume, APlateauRemembers) {
  auto config = hard_config(parts()[0]);
  config.schedule = {
      "chained",
      {{"parts",
        List{
            "cosine",
            Table{{"name", "plateau"}, {"patience", 0}, {"threshold", 0.3}, {"factor", 0.5}, {"warmup", "2 steps"}}}}}};
  expect_same_when_stopped(config, [](const auto& folder) {
    EXPECT_LT(checkpoint_in(folder).tensor("schedule", "plateau.0")[0].template item<double>(), 1);
  });
}

TEST(Resume, AScheduleOfPartsGoesOn) {
  auto config = hard_config(parts()[1]);
  config.schedule = {"sequential",
                     {{"warmup", "2 steps"}, {"milestones", List{3}}, {"parts", List{"cosine", "one_cycle"}}}};
  expect_same_when_stopped(config, [](const auto&) {});
}

TEST(Resume, EarlyStoppingCountsOn) {
  auto config = hard_config(parts()[0]);
  config.early_stopping = {.patience = 2, .min_delta = 1e9};
  expect_same_when_stopped(config, [](const auto& folder) {
    const auto progress = checkpoint_in(folder).progress;
    EXPECT_EQ(progress.state.step, 6);  // the first evaluation is the best: two more
    EXPECT_TRUE(progress.patience.spent);
    EXPECT_EQ(progress.patience.bad, 2);
  });
}

TEST(Resume, AMeanOfWeightsGoesOn) {
  auto config = hard_config(parts()[1]);
  config.ema = 0;
  config.swa = {.begin = {1, "epochs"}, .interval = {2, "steps"}, .anneal = {2}, .rate = 0.01};
  expect_same_when_stopped(config, [](const auto& folder) {
    EXPECT_EQ(checkpoint_in(folder).tensor("swa", "count").template item<int64_t>(), 3);
  });
}

TEST(Resume, AnAverageWithItsWarmUpGoesOn) {
  auto config = hard_config(parts()[1]);
  config.ema_warmup = 3;
  expect_same_when_stopped(config, [](const auto& folder) { EXPECT_NO_THROW(checkpoint_in(folder).group("ema")); });
}

TEST(Resume, FrozenPartsThawInTime) {
  auto config = hard_config(parts()[0]);
  config.freeze = {{.match = "0", .until = 1}, {.match = "1", .from = 1, .until = 2}, {.match = "4.bias", .from = 2}};
  expect_same_when_stopped(config, [](const auto&) {});
}

TEST(Resume, SkippedStepsInARowAreCountedOn) {
  auto config = hard_config(parts()[0]);
  config.accumulate = 1;
  config.bad_steps = 3;
  const test::TemporaryFolder folder;
  int64_t done = 0;
  const auto train_on = [&](int64_t stop) {
    Regression task({});
    Trainer trainer(task, config, folder.path());
    if (done > 0) trainer.resume(folder / "checkpoint/last.safetensors");
    task.poison = [&](const Tensor& loss, int64_t call) { return done + call >= 5 ? loss * NAN : loss; };
    Listener seen;
    seen.act = [&](int64_t step) { stop_requested() = step == stop; };
    trainer.listen(seen);
    trainer.run();
    stop_requested() = false;
    done = stop;
  };
  train_on(6);
  EXPECT_EQ(checkpoint_in(folder.path()).progress.bad_steps, 2);
  EXPECT_ERROR(train_on(9), "the loss is nan in step 7, the last of 3 in a row");
}

TEST(Resume, AfterADeathAtEveryStep) {
  auto config = hard_config(parts()[0]);
  config.checkpoint_steps = 3;
  const test::TemporaryFolder straight;
  const auto whole = sit(straight.path(), config);
  for (int64_t death = 1; death <= 9; ++death) {
    SCOPED_TRACE(fmt::format("died at {}", death));
    const test::TemporaryFolder folder;
    sit(folder.path(), config, [death](int64_t step) {
      if (step == death) throw std::logic_error("killed");
    });
    const auto rest = sit(folder.path(), config);
    EXPECT_TRUE(rest.done);
    // What was evaluated again after the checkpoint came out the same.
    for (const auto& evaluation : rest.evaluations) EXPECT_THAT(whole.evaluations, testing::Contains(evaluation));
    expect_same(straight.path(), folder.path());
  }
}

TEST(Resume, StopAfterStop) {
  const auto config = hard_config(parts()[0]);
  const test::TemporaryFolder straight, folder;
  sit(straight.path(), config);
  int sittings = 1;
  while (!sit(folder.path(), config, [](int64_t) { stop_requested() = true; }).done) ++sittings;
  EXPECT_GE(sittings, 9);
  expect_same(straight.path(), folder.path());
}

TEST(Resume, AnEvaluationThatIsLeftHalfWayComesFirst) {
  struct Patient : Regression {
    using Regression::Regression;
    Metrics evaluate(const std::string& split, int64_t limit) override {
      (void)torch::rand({3});  // whatever it drew before it was left
      throw_if_stopped();
      return Regression::evaluate(split, limit);
    }
  };
  auto config = hard_config(parts()[0]);
  config.swa.begin = {0.5};
  config.ema = 0;
  config.schedule = {"constant", {}};
  const auto sit_patiently = [&](const std::filesystem::path& folder, bool stops) {
    torch::manual_seed(99);
    Patient task({.dropout = 0.4, .noise = 0.1, .shuffle = true, .norm = true});
    Trainer trainer(task, config, folder);
    if (std::filesystem::exists(folder / "checkpoint")) trainer.resume(folder / "checkpoint/last.safetensors");
    Listener seen;
    seen.act = [&](int64_t) { stop_requested() = stops; };
    trainer.listen(seen);
    const bool done = trainer.run().done;
    stop_requested() = false;
    return Sitting{seen.evaluations, done};
  };
  const test::TemporaryFolder straight, folder;
  const auto whole = sit_patiently(straight.path(), false);
  Sitting pieces;
  int sittings = 1;
  for (; !pieces.done && sittings < 30; ++sittings) {
    auto next = sit_patiently(folder.path(), true);
    pieces.done = next.done;
    pieces.evaluations.insert(pieces.evaluations.end(), next.evaluations.begin(), next.evaluations.end());
  }
  EXPECT_TRUE(pieces.done);
  EXPECT_EQ(pieces.evaluations, whole.evaluations);
  expect_same(straight.path(), folder.path());
}

TEST(Resume, OfAFinishedRunDoesNothing) {
  const auto config = hard_config(parts()[0]);
  const test::TemporaryFolder folder;
  sit(folder.path(), config);
  const auto again = sit(folder.path(), config, [](int64_t) { FAIL() << "trained on"; });
  EXPECT_TRUE(again.done);
  EXPECT_TRUE(again.evaluations.empty());
}

TEST(Resume, TheNumberOfWorkersDoesNotMatter) {
  const auto config = hard_config(parts()[0]);
  const auto weights_with = [&](int64_t workers) {
    Regression task({.workers = workers, .dropout = 0.4, .noise = 0.1, .shuffle = true});
    torch::manual_seed(1);
    Trainer(task, config).run();
    return task.model().parameters()[0].detach().clone();
  };
  const auto without = weights_with(0);
  EXPECT_TRUE(without.equal(weights_with(1)));
  EXPECT_TRUE(without.equal(weights_with(3)));
}

}  // namespace
}  // namespace hadal
