#include "hadal/train/trainer.h"

#include <torch/csrc/autograd/autograd.h>

#include "hadal/io/safetensors.h"
#include "hadal/report/history.h"

#include "tests/train/regression.h"

namespace hadal {
namespace {

using test::Listener;
using test::quiet_config;
using test::Regression;
using test::RegressionOptions;

Tensor flat_weights(nn::Module& module) {
  std::vector<Tensor> parts;
  for (const auto& parameter : module.parameters()) parts.push_back(parameter.detach().flatten());
  return at::cat(parts).clone();
}

TEST(Trainer, LearnsAndSaysWhatItDid) {
  Regression task({.batch = 6});
  auto config = quiet_config();
  config.epochs = 100;
  Trainer trainer(task, config);
  Listener seen;
  trainer.listen(seen);
  const auto outcome = trainer.run();
  EXPECT_TRUE(outcome.done);
  ASSERT_EQ(seen.events.size(), 300U);
  EXPECT_EQ(seen.events[4].samples, 6);
  EXPECT_EQ(seen.events[4].state.step, 5);
  EXPECT_NEAR(seen.events[4].state.epoch, 5.0 / 3, 1e-12);
  EXPECT_EQ(seen.events[0].losses[0].first, "loss");
  EXPECT_EQ(seen.events[0].losses[1].first, "mse");
  EXPECT_DOUBLE_EQ(seen.events[0].lr, 0.05);
  EXPECT_LT(seen.events.back().losses[0].second, 0.2 * seen.events[0].losses[0].second);
}

TEST(Trainer, AccumulatedBatchesEqualABiggerOne) {
  auto config = quiet_config();
  Regression whole({.size = 16, .batch = 8}), parts({.size = 16, .batch = 2});
  Trainer(whole, config).run();
  config.accumulate = 4;
  Trainer(parts, config).run();
  EXPECT_EQ(parts.steps, 4 * whole.steps);
  EXPECT_LT(test::relative_error(flat_weights(parts.model()), flat_weights(whole.model())), 1e-12);
}

TEST(Trainer, ALastGroupOfBatchesStillMakesAStep) {
  auto config = quiet_config();
  config.accumulate = 4;
  config.epochs = 1;
  Regression task({.size = 18, .batch = 3});  // 6 batches: 4 and 2
  Trainer trainer(task, config);
  Listener seen;
  trainer.listen(seen);
  trainer.run();
  ASSERT_EQ(seen.events.size(), 2U);
  EXPECT_EQ(seen.events[0].samples, 12);
  EXPECT_EQ(seen.events[1].samples, 6);
}

TEST(Trainer, ClippingBoundsTheStep) {
  auto config = quiet_config();
  config.optimizer = {"sgd", {{"lr", 1.0}}};
  config.steps = 1;
  config.clip = 0.01;
  Regression task({});
  const auto before = flat_weights(task.model());
  Trainer trainer(task, config);
  Listener seen;
  trainer.listen(seen);
  trainer.run();
  EXPECT_GT(*find_value(seen.events[0].grad_norms, "grad_norm"), 0.02);  // as it was before
  EXPECT_NEAR((flat_weights(task.model()) - before).norm().item<double>(), 0.01, 1e-5);
}

TEST(Trainer, OptimisersThatLookAgainTakeTheSameBatch) {
  for (const auto& name : {"sam", "lbfgs"}) {
    auto config = quiet_config();
    config.optimizer = {name, {}};
    config.epochs = 20;
    Regression task({.batch = 18});
    Trainer trainer(task, config);
    Listener seen;
    trainer.listen(seen);
    trainer.run();
    EXPECT_EQ(seen.events.size(), 20U) << name;
    EXPECT_GE(task.steps, 40) << name;  // evaluations of the loss; a batch is drawn once a step
    EXPECT_LT(seen.events.back().losses[0].second, seen.events[0].losses[0].second) << name;
    config.accumulate = 2;
    EXPECT_ERROR(Trainer(task, config), "evaluates each batch more than once, so it takes accumulate=1, not 2");
  }
}

TEST(Trainer, ScheduleFreeScoresAndSavesItsAverage) {
  const test::TemporaryFolder folder;
  auto config = quiet_config();
  config.optimizer = {"schedule_free_adamw", {{"lr", 0.05}}};
  Regression task({});
  Trainer(task, config, folder.path()).run();
  const auto saved = read_safetensors(folder / "weights/last.safetensors").index();
  const auto trained = Checkpoint::load(folder / "checkpoint/last.safetensors").group("model");
  for (const auto& item : task.model().named_parameters()) {
    EXPECT_TRUE(saved.at(item.key()).equal(item.value())) << item.key();  // a finished run ends on it
    for (const auto& [name, tensor] : trained)
      if (name == item.key()) EXPECT_FALSE(tensor.equal(item.value())) << name;
  }
}

TEST(Trainer, AnOptimiserThatAveragesWantsAConstantRateAndNoOtherAverage) {
  for (const auto& optimizer :
       {Part{"schedule_free_adamw", {}}, Part{"sam", {{"base", Table{{"name", "schedule_free_adamw"}}}}}}) {
    Regression task({});
    auto config = quiet_config();
    config.optimizer = optimizer;
    EXPECT_NO_THROW(Trainer(task, config));
    config.schedule = {"cosine", {}};
    EXPECT_ERROR(Trainer(task, config), "averages its weights instead of lowering the rate: take schedule=constant");
    config.schedule = {"constant", {}};
    config.swa.begin = {0.5};
    EXPECT_ERROR(Trainer(task, config), "and train.swa are two averages of the weights");
    config.swa = {};
    config.ema = 0.9;
    EXPECT_ERROR(Trainer(task, config), "and train.ema are two averages of the weights");
  }
}

TEST(Trainer, AScheduleMovesNoMomentumThatIsNotThere) {
  for (const auto& [optimizer, moves] :
       std::vector<std::pair<Part, bool>>{{{"adam", {}}, true},
                                          {{"sgd", {}}, false},
                                          {{"sgd", {{"momentum", 0.9}}}, true},
                                          {{"adagrad", {}}, false},
                                          {{"sam", {{"base", Table{{"name", "adam"}}}}}, true},
                                          {{"sam", {}}, false}}) {
    Regression task({});
    auto config = quiet_config();
    config.optimizer = optimizer;
    config.schedule = {"one_cycle", {}};
    EXPECT_EQ(Trainer(task, config).schedule()(3).momentum.has_value(), moves) << optimizer.name;
  }
}

TEST(Trainer, WhatCannotWorkIsRefusedAtTheStart) {
  Regression task({});
  task.names = {"loss"};
  auto config = quiet_config();
  config.early_stopping = {.patience = 1, .metric = "acuracy", .mode = "max"};
  EXPECT_ERROR(Trainer(task, config), "the early stopping watches val/acuracy, which this run does not measure");
  config.early_stopping.metric = "train/mse";
  EXPECT_ERROR(Trainer(task, config), "watches train/mse, which this run does not measure");
  config = quiet_config();
  config.schedule = {"plateau", {{"metric", "lss"}, {"mode", "min"}}};
  EXPECT_ERROR(Trainer(task, config), "the plateau watches val/lss, which this run does not measure");
  config = quiet_config();
  config.schedule = {"cyclic", {{"up", 2}, {"mode", "formula"}, {"scale", "-x"}}};
  EXPECT_ERROR(Trainer(task, config), "a rate must be finite and not negative");
  Trainer own(task, quiet_config());
  EXPECT_ERROR(own.use(lambda_schedule([](int64_t) { return -1.0; })), "the rate is -1 x lr in step 0");
  config = quiet_config();
  config.epochs = std::numeric_limits<int64_t>::max();
  EXPECT_ERROR(Trainer(task, config), "are more than the 1000000000 steps that a run may have");
  config.steps = 3;  // then epochs say nothing
  Trainer(task, config);
  config = quiet_config();
  config.groups = {{.match = "*", .frozen = true}};
  EXPECT_ERROR(Trainer(task, config), "groups freeze every parameter: nothing is left to train");
  config = quiet_config();
  config.accumulate = 0;  // as a program may set it
  EXPECT_ERROR(Trainer(task, config), "train.accumulate wants an integer of at least 1, got 0");
  config = quiet_config();
  config.precision = "fp8";
  EXPECT_ERROR(Trainer(task, config), "train.precision = \"fp8\" is not known");
  for (auto& parameter : task.model().parameters()) parameter.requires_grad_(false);
  EXPECT_ERROR(Trainer(task, quiet_config()), "every parameter is frozen: nothing is left to train");
}

TEST(Trainer, GroupsHaveTheirOwnRates) {
  auto config = quiet_config();
  config.groups = {{.match = "*bias", .frozen = true}};
  Regression task({});
  const auto before = task.model().named_parameters();
  std::map<std::string, Tensor> start;
  for (const auto& item : before) start[item.key()] = item.value().detach().clone();
  Trainer(task, config).run();
  for (const auto& item : task.model().named_parameters())
    EXPECT_EQ(item.value().equal(start[item.key()]), item.key().ends_with("bias")) << item.key();
}

TEST(Trainer, TheAverageIsScoredAndSavedTheWeightsTrainOn) {
  const test::TemporaryFolder folder;
  auto config = quiet_config();
  config.ema = 0.9;
  Regression task({}), plain({});
  Trainer(task, config, folder.path()).run();
  config.ema = 0;
  Trainer(plain, config).run();
  EXPECT_TRUE(flat_weights(task.model()).equal(flat_weights(plain.model())));  // the average changes no training
  const auto saved = read_safetensors(folder / "weights/last.safetensors").index();
  EXPECT_TRUE(saved.at("0.weight").equal(task.evaluated.back()));
  EXPECT_FALSE(saved.at("0.weight").equal(task.model().parameters()[0]));
  const auto checkpoint = Checkpoint::load(folder / "checkpoint/last.safetensors");
  EXPECT_TRUE(checkpoint.group("model")[0].second.equal(task.model().parameters()[0]));
  EXPECT_TRUE(checkpoint.group("ema")[0].second.equal(task.evaluated.back()));
}

TEST(Trainer, KeepsTheBestAndTheLastWeights) {
  const test::TemporaryFolder folder;
  auto config = quiet_config();
  config.epochs = 4;
  Regression task({});
  task.given = {0.5, 0.2, NAN, 0.3};
  Trainer trainer(task, config, folder.path());
  trainer.describe({{"task", "regression"}});
  Listener seen;
  trainer.listen(seen);
  const auto outcome = trainer.run();
  EXPECT_EQ(seen.best_steps, (std::vector<int64_t>{5, 10}));
  const auto best = read_safetensors(folder / "weights/best.safetensors");
  const auto last = read_safetensors(folder / "weights/last.safetensors");
  EXPECT_TRUE(best.index().at("0.weight").equal(task.evaluated[1]));
  EXPECT_TRUE(last.index().at("0.weight").equal(task.evaluated[3]));
  EXPECT_EQ(best.metadata.at("step"), "10");
  EXPECT_EQ(best.metadata.at("config"), "task = \"regression\"\n\n[learned]\nkind = \"regression\"\n");
  EXPECT_EQ(*find_value(outcome.best, "val/loss"), 0.2);
  EXPECT_EQ(*find_value(outcome.last, "val/loss"), 0.3);
}

TEST(Trainer, AScoreThatIsNoNumberIsNeverTheBest) {
  auto config = quiet_config();
  config.epochs = 3;
  Regression task({});
  task.given = {NAN, 0.4, 0.5};
  const auto outcome = Trainer(task, config).run();
  EXPECT_EQ(*find_value(outcome.best, "val/loss"), 0.4);
}

TEST(Trainer, WithoutAValidationSplitTheLastIsTheBest) {
  const test::TemporaryFolder folder;
  Regression task({.val = false});
  Trainer(task, quiet_config(), folder.path()).run();
  EXPECT_TRUE(task.evaluated.empty());
  EXPECT_TRUE(
      read_safetensors(folder / "weights/best.safetensors").index().at("0.weight").equal(task.model().parameters()[0]));
}

TEST(Trainer, EvaluatesWhenItShould) {
  const auto steps_of = [](const std::function<void(TrainConfig&)>& change) {
    auto config = quiet_config();
    change(config);
    Regression task({.size = 16, .batch = 4});
    Trainer trainer(task, config);
    Listener seen;
    trainer.listen(seen);
    trainer.run();
    std::vector<int64_t> steps;
    for (const auto& [step, values] : seen.evaluations) steps.push_back(step);
    return steps;
  };
  using Steps = std::vector<int64_t>;
  EXPECT_EQ(steps_of([](TrainConfig&) {}), (Steps{4, 8}));
  EXPECT_EQ(steps_of([](TrainConfig& c) { c.evaluate_every = 0.5; }), (Steps{2, 4, 6, 8}));
  EXPECT_EQ(steps_of([](TrainConfig& c) { c.evaluate_every = 0.01, c.epochs = 1; }), (Steps{1, 2, 3, 4}));
  EXPECT_EQ(steps_of([](TrainConfig& c) { c.evaluate_every = 3, c.epochs = 4; }), (Steps{12, 16}));
  EXPECT_EQ(steps_of([](TrainConfig& c) { c.steps = 5; }), (Steps{4, 5}));
}

TEST(Trainer, ARatePlateausWithItsScore) {
  const auto rates_with = [](const Part& schedule, const RegressionOptions& options = {}) {
    auto config = quiet_config();
    config.epochs = 6;
    config.schedule = schedule;
    Regression task(options);
    task.given = {1, 0.5, 0.5, 0.6, 0.4, 0.4};
    Trainer trainer(task, config);
    Listener seen;
    trainer.listen(seen);
    trainer.run();
    std::vector<double> rates;
    for (const auto& [step, values] : seen.evaluations) rates.push_back(*find_value(values, "lr") / 0.05);
    return rates;
  };
  using Rates = std::vector<double>;
  EXPECT_EQ(rates_with({"plateau", {{"patience", 1}, {"factor", 0.5}}}), (Rates{1, 1, 1, 1, 0.5, 0.5}));
  EXPECT_EQ(rates_with({"plateau", {{"patience", 1}, {"factor", 0.5}, {"metric", "loss"}, {"mode", "max"}}}),
            (Rates{1, 1, 1, 0.5, 0.5, 0.25}));
  EXPECT_ERROR(rates_with({"plateau", {{"metric", "accuracy"}}}),
               "metric = \"accuracy\" wants mode = \"min\" or \"max\"");
  EXPECT_ERROR(rates_with({"plateau", {{"metric", "lss"}, {"mode", "min"}}}),
               "the plateau watches val/lss, which this run does not measure; nearest: val/loss");
  EXPECT_ERROR(rates_with({"plateau", {}}, {.val = false}),
               "the plateau watches val/loss, but the run scores no val split");
  EXPECT_EQ(rates_with({"plateau", {{"metric", "train/loss"}}}, {.val = false}).size(), 6U);
}

TEST(Trainer, ALossThatIsNoNumberEndsTheRunAndSparesTheCheckpoint) {
  const test::TemporaryFolder folder;
  auto config = quiet_config();
  config.checkpoint_steps = 2;
  config.evaluate_every = 100;
  config.bad_steps = 1;
  const auto train_with = [&](const std::function<Tensor(const Tensor&, int64_t)>& poison, const char* message) {
    Regression task({});
    task.poison = poison;
    Trainer trainer(task, config, folder.path());
    EXPECT_ERROR(trainer.run(), message);
    for (const auto& parameter : task.model().parameters()) EXPECT_TRUE(parameter.isfinite().all().item<bool>());
    EXPECT_EQ(Checkpoint::load(folder / "checkpoint/last.safetensors").progress.state.step, 4);
    Regression fresh({});
    Trainer resumed(fresh, config, folder.path());
    resumed.resume(folder / "checkpoint/last.safetensors");
    EXPECT_TRUE(resumed.run().done);
  };
  train_with([](const Tensor& loss, int64_t call) { return call == 5 ? loss * NAN : loss; },
             "the loss is nan in step 5");
  // A finite loss with gradients that are not: 0.5 / sqrt(0) x 0.
  train_with([](const Tensor& loss, int64_t call) { return call == 5 ? loss + (loss * 0).sqrt() : loss; },
             "the gradients are not finite in step 5");
}

TEST(Trainer, ARequestToStopFinishesTheStepAndSaves) {
  const test::TemporaryFolder folder;
  Regression task({});
  Trainer trainer(task, quiet_config(), folder.path());
  Listener seen;
  seen.act = [](int64_t step) { stop_requested() = step == 3; };
  trainer.listen(seen);
  const auto outcome = trainer.run();
  stop_requested() = false;
  EXPECT_FALSE(outcome.done);
  EXPECT_EQ(outcome.state.step, 3);
  EXPECT_EQ(seen.events.size(), 3U);
  EXPECT_EQ(Checkpoint::load(folder / "checkpoint/last.safetensors").progress.state.step, 3);
}

TEST(Trainer, WantsAtLeastOneBatch) {
  Regression task({.size = 0});
  EXPECT_ERROR(Trainer(task, quiet_config()), "the training data holds no whole batch");
}

/// Two modules that play against each other, as in a GAN.
class Duel : public Task, Batches {
 public:
  Duel() {
    torch::manual_seed(1);
    both->push_back("judge", nn::Linear(2, 1));
    both->push_back("maker", nn::Linear(2, 2));
    both->to(torch::kFloat64);
  }
  nn::Module& model() override { return *both; }
  nn::Module& judge() { return *both->ptr(0); }
  nn::Module& maker() { return *both->ptr(1); }
  Table settings() const override { return {}; }
  std::vector<Phase> phases() override { return {{"judge", &judge(), judge_every}, {"maker", &maker()}}; }
  Batches& batches() override { return *this; }
  int64_t per_epoch() const override { return 6; }
  void start(int64_t, int64_t first) override { next_ = first; }
  bool next() override { return log.push_back("batch"), next_++ < 6; }
  Losses losses(const Step& step) override {
    const auto phase = step.phase;
    numbers.push_back(step.number);
    log.push_back(phases()[phase].name);
    weights.push_back({flat_weights(judge()), flat_weights(maker())});
    return {loss(*this, phase, next_), {}};
  }
  static Tensor loss(Duel& duel, size_t phase, int64_t number) {
    const auto real = torch::tensor({{1.0, static_cast<double>(number)}}, torch::kFloat64), noise = real.flip({1});
    const auto say = [&](const Tensor& x) { return duel.both->ptr(0)->as<nn::Linear>()->forward(x); };
    const auto made = duel.both->ptr(1)->as<nn::Linear>()->forward(noise);
    return phase == 0 ? (say(made.detach()).square() + (say(real) - 1).square()).mean()
                      : (say(made) - 1).square().mean();
  }
  Metrics evaluate(const std::string&, int64_t) override { return {}; }
  std::string summary() const override { return "duel"; }

  nn::Sequential both;
  int64_t judge_every = 1;
  std::vector<std::string> log;
  std::vector<int64_t> numbers;                    // the step of each loss
  std::vector<std::pair<Tensor, Tensor>> weights;  // of judge and maker when each loss was asked for

 private:
  int64_t next_ = 0;
};

TEST(Trainer, PhasesTakeTurnsAndMoveTheirOwnModuleAlone) {
  Duel duel;
  auto config = quiet_config();
  config.steps = 2;
  Trainer(duel, config).run();
  EXPECT_EQ(duel.log, (std::vector<std::string>{"batch", "judge", "maker", "batch", "judge", "maker"}));
  const auto same = [&](size_t a, size_t b, bool judge) {
    return judge ? duel.weights[a].first.equal(duel.weights[b].first)
                 : duel.weights[a].second.equal(duel.weights[b].second);
  };
  EXPECT_FALSE(same(0, 1, true));  // the judge's phase moved the judge alone
  EXPECT_TRUE(same(0, 1, false));
  EXPECT_TRUE(same(1, 2, true));  // the maker's the maker alone
  EXPECT_FALSE(same(1, 2, false));
}

TEST(Trainer, APhaseMayMoveInSomeStepsAlone) {
  Duel duel;
  duel.judge_every = 2;
  auto config = quiet_config();
  config.steps = 3;
  Trainer(duel, config).run();
  EXPECT_EQ(duel.log,
            (std::vector<std::string>{"batch", "judge", "maker", "batch", "maker", "batch", "judge", "maker"}));
  EXPECT_EQ(duel.numbers, (std::vector<int64_t>{0, 0, 1, 2, 2}));
}

TEST(Trainer, RulesGoByTheWholeModelsNames) {
  Duel duel;
  auto config = quiet_config();
  config.steps = 1;
  config.groups = {{.match = "judge.*", .lr_scale = 0}};
  const auto judge = flat_weights(duel.judge()).clone(), maker = flat_weights(duel.maker()).clone();
  Trainer(duel, config).run();
  EXPECT_TRUE(flat_weights(duel.judge()).equal(judge));
  EXPECT_FALSE(flat_weights(duel.maker()).equal(maker));
  config.groups = {{.match = "jugde.*"}};
  EXPECT_ERROR(Trainer(duel, config), "no parameter is named like \"jugde.*\"");
}

TEST(Trainer, NoPhaseLeavesGradientsForAnother) {
  for (const int64_t accumulate : {1, 2}) {
    Duel trained, by_hand;
    auto config = quiet_config();
    config.epochs = 1;
    config.accumulate = accumulate;
    Trainer(trained, config).run();

    for (int64_t number = 1; number <= 6; number += accumulate) {
      std::vector<Tensor> sums[2];
      for (int64_t micro = 0; micro < accumulate; ++micro)
        for (size_t phase = 0; phase < 2; ++phase) {
          const auto parameters = by_hand.phases()[phase].module->parameters();
          const auto grads = torch::autograd::grad(
              {Duel::loss(by_hand, phase, number + micro) / static_cast<double>(accumulate)}, parameters);
          const torch::NoGradGuard no_grad;
          for (size_t i = 0; i < grads.size(); ++i) {
            if (micro == 0) sums[phase].push_back(torch::zeros_like(grads[i]));
            sums[phase][i] += grads[i];
            if (micro + 1 == accumulate) Tensor(parameters[i]).sub_(0.05 * sums[phase][i]);
          }
        }
    }
    EXPECT_LT(test::relative_error(flat_weights(trained.model()), flat_weights(by_hand.model())), 1e-12)
        << "accumulate = " << accumulate;
  }
}

}  // namespace
}  // namespace hadal
