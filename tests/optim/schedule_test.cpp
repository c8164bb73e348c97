#include "hadal/optim/schedule.h"

#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

Schedule make(const std::string& name, const Table& settings, int64_t steps) {
  return schedules().make({name, settings}, RunLength{steps, 10});
}

TEST(Schedule, OneCycleIsPyTorchsAtEveryStep) {
  const auto golden = read_safetensors(test::golden("optim.safetensors")).index();
  Table linear{{"anneal", "linear"}, {"pct_start", 0.1}, {"div_factor", 10.0}};
  for (const auto& [name, settings] : {std::pair<std::string, Table>{"one_cycle", {}}, {"one_cycle_linear", linear}}) {
    const auto& rates = golden.at(name);
    const auto schedule = make("one_cycle", settings, rates.size(0));
    for (int64_t step = 0; step < rates.size(0); ++step) {
      const auto here = schedule(step);
      ASSERT_NEAR(here.lr_factor, rates[step][0].item<double>(), 1e-9) << name << " " << step;
      ASSERT_TRUE(here.momentum);
      ASSERT_NEAR(*here.momentum, rates[step][1].item<double>(), 1e-9) << name << " " << step;
    }
  }
}

TEST(Schedule, OneCycleCanLeaveMomentumAlone) {
  EXPECT_FALSE(make("one_cycle", {{"cycle_momentum", false}}, 100)(50).momentum);
}

TEST(Schedule, WarmsUpThenFalls) {
  const auto line = make("linear", {{"warmup", 0.1}, {"final", 0.2}}, 100);
  EXPECT_NEAR(line(0).lr_factor, 1.0 / 11, 1e-12);
  EXPECT_NEAR(line(9).lr_factor, 10.0 / 11, 1e-12);
  EXPECT_DOUBLE_EQ(line(10).lr_factor, 1);
  EXPECT_NEAR(line(55).lr_factor, 0.6, 1e-12);
  const auto cosine = make("cosine", {}, 100);
  EXPECT_DOUBLE_EQ(cosine(0).lr_factor, 1);
  EXPECT_NEAR(cosine(50).lr_factor, 0.5, 1e-12);
  EXPECT_NEAR(cosine(100).lr_factor, 0, 1e-12);
  EXPECT_DOUBLE_EQ(make("constant", {}, 100)(99).lr_factor, 1);
}

TEST(Schedule, EveryScheduleOfATinyRunIsFinite) {
  for (const auto& name : schedules().names())
    for (const int64_t steps : {1, 2, 3, 7}) {
      const auto schedule = make(name, {}, steps);
      for (int64_t step = 0; step < steps; ++step) {
        const auto factor = schedule(step).lr_factor;
        EXPECT_GE(factor, 0) << name << " " << step << " of " << steps;
        EXPECT_LE(factor, 1) << name << " " << step << " of " << steps;
      }
    }
}

}  // namespace
}  // namespace hadal
