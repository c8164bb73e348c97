#include "hadal/train/speed.h"

#include "hadal/core/product_speed.h"

#include "tests/train/regression.h"

using namespace hadal;

namespace {

/// A run of steps of a second, each a product of 64^3 with a gradient for one side.
struct Steps {
  double time = 0;
  int asked = 0;
  SpeedMeter meter{[this] { return time; }, [this] { return ++asked, 64 * 64 * 64 * 4 * 10.0; }};
  Tensor weight = torch::ones({64, 64}, torch::requires_grad());

  Steps() { meter.on_start({}); }
  void step() {
    torch::mm(torch::ones({64, 64}), weight).sum().backward();
    time += 1;
    meter.on_step({.samples = 8});
  }
};

}  // namespace

TEST(Speed, IsWhatTheFirstStepsCountedOverTheTimeOfAll) {
  Steps run;
  EXPECT_EQ(run.meter.text(), "");
  run.time += 100;  // the first step is slow
  run.step();
  EXPECT_EQ(run.meter.text(), "") << "one step is no measure";
  for (int i = 0; i < 5; ++i) run.step();
  torch::mm(torch::ones({99, 99}), run.weight.new_ones({99, 99}));  // an evaluation's
  run.time += 1000;
  run.meter.on_evaluation({});
  EXPECT_EQ(run.meter.text(), "1.05 MFLOP a step, 1.05 MFLOP/s");
  EXPECT_EQ(run.asked, 0) << "a short run waits for no ceiling";
  for (int i = 0; i < 30; ++i) run.step();
  run.meter.on_end({}, true);
  EXPECT_EQ(run.meter.text(),
            "1.05 MFLOP a step, 1.05 MFLOP/s: 10 % of what this machine's products reach (10.5 MFLOP/s)");
  EXPECT_EQ(run.meter.text().substr(0, 4), "1.05");
  EXPECT_EQ(run.asked, 1);
}

TEST(Speed, IsLeftOutWhereNothingIsCounted) {
  double time = 0;
  SpeedMeter meter([&] { return time; }, [] { return 1e9; });
  meter.on_start({});
  for (int i = 0; i < 20; ++i) time += 1, meter.on_step({.samples = 1});
  EXPECT_EQ(meter.text(), "");
}

TEST(Speed, IsMeasuredWithoutATraceInTheTraining) {
  const auto trained = [](SpeedMeter* meter) {
    test::Regression task({.dropout = 0.2, .noise = 0.1, .shuffle = true});
    auto config = test::quiet_config();
    config.epochs = 6;
    Trainer trainer(task, config);
    if (meter) trainer.listen(*meter);
    trainer.run();
    std::vector<Tensor> weights;
    for (const auto& parameter : task.model().parameters()) weights.push_back(parameter.detach().flatten());
    return at::cat(weights);
  };
  SpeedMeter meter("cpu", "fp32");
  EXPECT_TRUE(torch::equal(trained(&meter), trained(nullptr)));
  // 4 -> 8 -> 1, inputs without gradients, on batches of 4, 4, 4, 4, 2 of which 16 are counted.
  EXPECT_EQ(meter.text().substr(0, 15), "638 FLOP a step");
}

TEST(Speed, OfProductsDrawsNoNumbers) {
  torch::manual_seed(3);
  const auto expected = torch::rand({4});
  torch::manual_seed(3);
  EXPECT_GT(ceiling("cpu", "fp32"), 1e8);
  EXPECT_TRUE(torch::equal(torch::rand({4}), expected));
}
