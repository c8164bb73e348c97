#include "hadal/report/schedule_curve.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

Schedule make(const Part& part, int64_t steps) { return schedules().make(part, RunLength{steps, 10}); }

TEST(ScheduleCurve, HoldsTheRateOfEveryStepAndTheMomentumThatMoves) {
  const auto curves = schedule_curves(make({"linear", {}}, 100), 0.5, 100);
  ASSERT_EQ(curves.size(), 1U);
  EXPECT_EQ(curves[0].title, "learning rate");
  const auto& points = curves[0].series.at(0).points;
  ASSERT_EQ(points.size(), 100U);
  EXPECT_EQ(points[0], (std::pair{1.0, 0.5}));
  EXPECT_EQ(points[50], (std::pair{51.0, 0.25}));
  const auto two = schedule_curves(make({"one_cycle", {}}, 100), 0.5, 100);
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[1].series.at(0).points.at(0).second, 0.95);
  EXPECT_TRUE(schedule_curves(make({"plateau", {}}, 100), 0.5, 100).empty());
  EXPECT_LE(schedule_curves(make({"linear", {}}, 1'000'000), 0.5, 1'000'000)[0].series[0].points.size(), 20'000U);
}

TEST(ScheduleCurve, CanBeDrawnWithCharacters) {
  const auto line = schedule_curves(make({"linear", {}}, 8), 0.8, 8)[0];
  EXPECT_EQ(text_curve(line, 8, 2, true),
            "0.8000 │█▆▄▂\n"
            "     0 │█████▆▄▂\n");
  EXPECT_EQ(text_curve(line, 8, 2, false),
            "0.8000 |#::.\n"
            "     0 |#####::.\n");
  const auto flat = schedule_curves(make({"constant", {}}, 3), 0.1, 3)[0];
  EXPECT_EQ(text_curve(flat, 3, 1, false), "0.1000 |:::\n");
}

}  // namespace
}  // namespace hadal
