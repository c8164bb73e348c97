#include "hadal/train/rate_finder.h"

#include "hadal/io/file.h"

#include "tests/train/regression.h"

namespace hadal {
namespace {

using test::quiet_config;
using test::Regression;

TEST(RateFinder, SuggestsARateThatTrainsAndLeavesTheModelAlone) {
  Regression task({.dropout = 0.2, .noise = 0.1, .shuffle = true, .norm = true});
  std::vector<Tensor> before;
  for (const auto& parameter : task.model().parameters()) before.push_back(parameter.detach().clone());
  for (const auto& buffer : task.model().buffers()) before.push_back(buffer.clone());
  torch::manual_seed(5);
  const auto drawn = torch::rand({3});
  torch::manual_seed(5);
  auto config = quiet_config();
  config.ema = 0.9;  // of no use here, and no harm
  config.early_stopping.patience = 1;
  const auto curve = find_rate(task, config, {.low = 1e-5, .high = 100, .steps = 140});
  ASSERT_TRUE(curve);
  EXPECT_TRUE(torch::rand({3}).equal(drawn));
  size_t index = 0;
  for (const auto& parameter : task.model().parameters()) EXPECT_TRUE(parameter.equal(before[index++]));
  for (const auto& buffer : task.model().buffers()) EXPECT_TRUE(buffer.equal(before[index++]));

  EXPECT_NEAR(curve->rates[0], 1e-5, 1e-17);
  EXPECT_NEAR(curve->rates[1] / curve->rates[0], std::pow(1e7, 1.0 / 139), 1e-9);
  EXPECT_LT(curve->rates.back(), 100);  // it blew up before
  EXPECT_EQ(curve->rates.size(), curve->losses.size());
  EXPECT_DOUBLE_EQ(curve->suggested, curve->lowest / 10);
  EXPECT_GT(curve->lowest, 1e-3);
  EXPECT_LE(curve->steepest, curve->lowest);

  config = quiet_config();
  config.epochs = 20;
  config.optimizer = {"sgd", {{"lr", curve->suggested}}};
  Regression fresh({});
  Trainer trainer(fresh, config);
  test::Listener seen;
  trainer.listen(seen);
  trainer.run();
  EXPECT_LT(seen.events.back().losses[0].second, 0.5 * seen.events[0].losses[0].second);
}

TEST(RateFinder, SaysWhereTheCurveIsCutOff) {
  const auto doubt = [](double low, double high) {
    Regression task({});
    auto config = quiet_config();
    config.optimizer = {"sgd", {}};
    return find_rate(task, config, {.low = low, .high = high, .steps = 60})->doubt;
  };
  EXPECT_THAT(doubt(1e-7, 1e-6), testing::HasSubstr("fell at no rate: go higher"));
  EXPECT_THAT(doubt(1e-2, 0.2), testing::HasSubstr("still falls at the last rate"));
  EXPECT_THAT(doubt(0.7, 30), testing::HasSubstr("fell at no rate before it blew up: begin lower"));
  EXPECT_EQ(doubt(1e-4, 100), "");
}

TEST(RateFinder, TakesEveryOptimiserAsItIsSet) {
  const auto losses_of = [](const Part& optimizer) {
    Regression task({});
    auto config = quiet_config();
    config.optimizer = optimizer;
    const auto curve = find_rate(task, config, {.low = 1e-4, .high = 1e-2, .steps = 20});
    EXPECT_EQ(curve->rates[0], 1e-4) << optimizer.name;
    return curve->losses;
  };
  // Muon's AdamW keeps its proportion.
  const auto muon = [&](double lr, double adamw) {
    return losses_of({"muon", {{"lr", lr}, {"adamw", Table{{"lr", adamw}}}}}).at(15);
  };
  EXPECT_NEAR(muon(0.02, 0.002), muon(0.2, 0.02), 1e-9);
  EXPECT_GT(std::abs(muon(0.02, 0.002) - muon(0.02, 0.02)), 1e-6);
  // SAM has its base's rate.
  const auto sam = [&](double lr) { return losses_of({"sam", {{"base", Table{{"name", "sgd"}, {"lr", lr}}}}}).at(15); };
  EXPECT_NEAR(sam(0.02), sam(0.5), 1e-9);
  EXPECT_ERROR(losses_of({"sgd", {{"lr", 0.0}}}), "[find_lr] wants an optimizer whose lr is above 0");
  EXPECT_ERROR(losses_of({"rprop", {}}), "[find_lr] rprop takes its lr for its first step alone");
  EXPECT_ERROR(losses_of({"sam", {{"base", "rprop"}}}), "[find_lr] sam takes its lr for its first step alone");
}

TEST(RateFinder, WritesItsCurve) {
  const test::TemporaryFolder folder;
  Regression task({});
  const auto curve = find_rate(task, quiet_config(), {.steps = 30});
  write_rate_curve(folder.path(), "small", *curve);
  const auto csv = read_file(folder / "find_lr.csv");
  EXPECT_TRUE(csv.starts_with("step,lr,loss,smoothed\n1,1e-07,"));
  EXPECT_EQ(static_cast<size_t>(std::count(csv.begin(), csv.end(), '\n')), curve->rates.size() + 1);
  const auto page = read_file(folder / "find_lr.html");
  EXPECT_NE(page.find("small: learning rate"), page.npos);
  EXPECT_NE(page.find("loss by learning rate"), page.npos);
}

TEST(RateFinder, LeavesTheModelAloneWhereTheTaskFails) {
  Regression task({});
  TensorsByName before;
  for (const auto& item : task.model().named_parameters())
    before.emplace_back(item.key(), item.value().detach().clone());
  task.poison = [](const Tensor& loss, int64_t step) -> Tensor {
    if (step == 5) fail("boo");
    return loss;
  };
  EXPECT_ERROR(find_rate(task, quiet_config(), {.low = 0.01, .high = 0.1}), "boo");
  for (const auto& [name, value] : before) EXPECT_TRUE(task.model().named_parameters()[name].equal(value)) << name;
}

TEST(RateFinder, WrongSettingsAreRefused) {
  Regression task({});
  EXPECT_ERROR(find_rate(task, quiet_config(), {.low = 0}), "find_lr.low wants a number above 0");
  EXPECT_ERROR(find_rate(task, quiet_config(), {.steps = 2}), "find_lr.steps wants an integer of at least 10");
  EXPECT_ERROR((RateFinderConfig{.low = 1, .high = 0.5}.validate()),
               "find_lr.high (0.5) must be above find_lr.low (1)");
  task.poison = [](const Tensor& loss, int64_t) { return loss * NAN; };
  EXPECT_ERROR(find_rate(task, quiet_config(), {}),
               "[find_lr] the loss is not finite after 0 steps at a rate of 1e-07");
}

}  // namespace
}  // namespace hadal
