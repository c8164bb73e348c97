#include "hadal/metrics/forecast.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {
double value(const Metrics& metrics, const std::string& name) {
  for (const auto& [key, number] : metrics)
    if (key == name) return number;
  ADD_FAILURE() << "no metric " << name;
  return NAN;
}
}  // namespace

TEST(ForecastScore, IsMeanOverEveryValue) {
  torch::manual_seed(0);
  const auto forecast = torch::randn({5, 3, 1, 4}), truth = torch::randn({5, 3, 4});
  ForecastScore whole(torch::tensor({1.0, 2.0, 4.0}), {}), parts(torch::tensor({1.0, 2.0, 4.0}), {});
  whole.add(forecast, truth);
  parts.add(forecast.slice(0, 0, 4), truth.slice(0, 0, 4));  // batches of different sizes weigh by their size
  parts.add(forecast.slice(0, 4), truth.slice(0, 4));
  const auto error = forecast.squeeze(2).to(torch::kFloat64) - truth.to(torch::kFloat64);
  for (const auto* score : {&whole, &parts}) {
    EXPECT_NEAR(value(score->metrics(), "mse"), error.square().mean().item<double>(), 1e-12);
    EXPECT_NEAR(value(score->metrics(), "mae"), error.abs().mean().item<double>(), 1e-12);
    const auto mase = (error.abs().mean(torch::IntArrayRef{0, 2}) / torch::tensor({1.0, 2.0, 4.0})).mean();
    EXPECT_NEAR(value(score->metrics(), "mase"), mase.item<double>(), 1e-7);
    EXPECT_LT(relative_error(score->mse_by_step(), error.square().mean(torch::IntArrayRef{0, 1})), 1e-12);
  }
}

TEST(ForecastScore, UnknownTruthsCountForNothing) {
  const auto forecast = torch::tensor({1.f, 2.f, 100.f}).view({1, 1, 1, 3}), truth = torch::zeros({1, 1, 3});
  ForecastScore score({}, {});
  score.add(forecast, truth, torch::tensor({true, true, false}).view({1, 1, 3}));
  EXPECT_DOUBLE_EQ(value(score.metrics(), "mse"), 2.5);
  EXPECT_DOUBLE_EQ(value(score.metrics(), "mae"), 1.5);
  EXPECT_TRUE(ForecastScore({}, {}).metrics().empty());
}

TEST(ForecastScore, QuantilesAreJudgedByTheirLoss) {
  const auto forecast = torch::tensor({-1.f, 0.f, 2.f}).view({1, 1, 3, 1}), truth = torch::full({1, 1, 1}, 1.f);
  ForecastScore score({}, {0.1, 0.5, 0.9});
  score.add(forecast, truth);
  EXPECT_DOUBLE_EQ(value(score.metrics(), "mae"), 1);  // of the median
  // 0.1 * 2, 0.5 * 1, (1 - 0.9) * 1, their mean twice
  EXPECT_NEAR(value(score.metrics(), "quantile_loss"), 2 * (0.2 + 0.5 + 0.1) / 3, 1e-12);
  EXPECT_DOUBLE_EQ(value(score.metrics(), "coverage"), 1);
  score.add(forecast, torch::full({1, 1, 1}, 5.f));
  EXPECT_DOUBLE_EQ(value(score.metrics(), "coverage"), 0.5);
  EXPECT_ERROR(score.add(forecast, torch::zeros({1, 1, 2})),
               "a forecast (1, 1, 3, 1) does not fit its truth (1, 1, 2)");
}

TEST(Pinball, IsLowestAtTheQuantile) {
  torch::manual_seed(0);
  const auto truth = torch::rand({4001}).unsqueeze(0);
  double best = 1e9, at = -1;
  for (double guess = 0; guess <= 1; guess += 0.05) {
    const auto loss = pinball(torch::full({1, 1, 4001}, guess), truth, torch::tensor({0.8})).mean().item<double>();
    if (loss < best) best = loss, at = guess;
  }
  EXPECT_NEAR(at, 0.8, 0.051);
}

TEST(RisingQuantiles, DoNotCross) {
  const auto crossed = torch::tensor({1.f, 3.f, 2.f, 5.f, 4.f, 6.f}).view({1, 1, 3, 2});
  EXPECT_TRUE(torch::equal(rising_quantiles(crossed).flatten(), torch::tensor({1.f, 3.f, 2.f, 5.f, 4.f, 6.f})));
  const auto back = crossed.flip(2);
  EXPECT_TRUE(torch::equal(rising_quantiles(back), crossed));
}

TEST(NaiveError, IsThatOfTheSeasonBefore) {
  const auto values = torch::tensor({{1.0, 2.0, 4.0, 7.0, 100.0}});
  EXPECT_DOUBLE_EQ(naive_error(values, 4, 1).item<double>(), 2);
  EXPECT_DOUBLE_EQ(naive_error(values, 4, 2).item<double>(), 4);
  EXPECT_TRUE(std::isnan(naive_error(values, 4, 4).item<double>()));
  // Steps from and to what was filled do not count.
  const auto holed = torch::tensor({{1.0, 3.0, 99.0, 99.0, 6.0, 7.0}});
  const auto known = torch::tensor({{true, true, false, false, true, true}});
  EXPECT_DOUBLE_EQ(naive_error(holed, 6, 1, known).item<double>(), 1.5);
}
