// A run that ends on the mean of its weights.
#include "hadal/io/safetensors.h"
#include "hadal/report/history.h"

#include "tests/train/regression.h"

namespace hadal {
namespace {

using test::Listener;
using test::quiet_config;
using test::Regression;

TrainConfig averaging() {
  auto config = quiet_config();
  config.epochs = 4;  // 5 steps each
  config.swa.begin = {2, "epochs"};
  return config;
}

TEST(SwaRun, EndsOnTheMeanOfItsEpochs) {
  const test::TemporaryFolder folder;
  Regression task({});
  Trainer trainer(task, averaging(), folder.path());
  Listener seen;
  std::vector<Tensor> weights;
  seen.act = [&](int64_t step) {
    if (step % 5 == 0) weights.push_back(task.model().parameters()[0].detach().clone());
  };
  trainer.listen(seen);
  trainer.run();
  const auto mean = (weights[2] + weights[3]) / 2;
  EXPECT_LT(test::relative_error(task.model().parameters()[0], mean), 1e-12);
  EXPECT_TRUE(task.evaluated[3].equal(task.model().parameters()[0]));  // that is what the last evaluation scored
  EXPECT_TRUE(task.evaluated[2].equal(weights[2]));
  EXPECT_TRUE(read_safetensors(folder / "weights/last.safetensors").index().at("0.weight").equal(task.evaluated[3]));
}

TEST(SwaRun, HasARateOfItsOwn) {
  auto config = averaging();
  config.schedule = {"linear", {}};
  config.swa.rate = 0.01;
  config.swa.anneal = {4, "steps"};
  config.swa.ramp = "linear";
  Regression task({});
  Trainer trainer(task, config);
  Listener seen;
  trainer.listen(seen);
  trainer.run();
  EXPECT_DOUBLE_EQ(seen.events[9].lr, 0.05 * 0.55);
  EXPECT_DOUBLE_EQ(seen.events[10].lr, 0.025);
  EXPECT_DOUBLE_EQ(seen.events[12].lr, (0.025 + 0.01) / 2);
  EXPECT_DOUBLE_EQ(seen.events[19].lr, 0.01);
}

TEST(SwaRun, StatisticsAreThoseOfTheMean) {
  for (const int64_t batches : {0, 2}) {
    auto config = averaging();
    config.swa.batches = batches;
    Regression task({.size = 20, .norm = true});
    Trainer(task, config).run();
    // The mean over the batches of what the first layer gives with its final weights.
    const auto first = task.model().named_parameters()["0.weight"].detach(),
               bias = task.model().named_parameters()["0.bias"].detach();
    std::vector<Tensor> inputs;
    for (int64_t i = 0; i < (batches > 0 ? 4 * batches : 20); ++i) {
      const auto x = static_cast<double>(i);
      inputs.push_back(torch::tensor({std::sin(x), std::cos(x), std::sin(3 * x), std::cos(2 * x)}, torch::kFloat64));
    }
    const auto hidden = at::linear(at::stack(inputs), first, bias);
    EXPECT_LT(test::relative_error(task.model().named_buffers()["1.running_mean"], hidden.mean(0)), 1e-10);
    const auto variance = hidden.view({-1, 4, 8}).var(1).mean(0);
    EXPECT_LT(test::relative_error(task.model().named_buffers()["1.running_var"], variance), 1e-10);
    EXPECT_EQ(task.model().named_buffers()["1.num_batches_tracked"].item<int64_t>(), batches > 0 ? batches : 5);
    const auto& norm = *task.model().modules(false)[1]->as<nn::BatchNorm1d>();
    EXPECT_EQ(norm.options.momentum(), 0.1);  // as it was
  }
}

TEST(SwaRun, WrongSettingsAreRefused) {
  auto config = averaging();
  Regression task({});
  config.swa.begin = {20};
  EXPECT_ERROR(Trainer(task, config), "swa takes weights every 5 steps from step 20 on, but the run has 20");
  config.swa.begin = {0.5};
  config.swa.interval = {0};
  EXPECT_ERROR(Trainer(task, config), "swa.interval wants at least one step");
  config.ema = 0.9;
  EXPECT_ERROR(config.validate(), "train.ema and train.swa are two averages");
  config.swa = {.rate = 0.01};
  EXPECT_ERROR(config.validate(), "train.swa has no begin, and so would average nothing: add swa.begin=0.75");
  config.swa = {}, config.ema = 0, config.ema_warmup = 3;
  EXPECT_ERROR(config.validate(), "train.ema_warmup is for an average that this run does not keep");
}

}  // namespace
}  // namespace hadal
