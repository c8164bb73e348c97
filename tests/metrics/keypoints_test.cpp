#include "hadal/metrics/keypoints.h"

#include <cmath>

#include "tests/support/support.h"

using namespace hadal;

namespace {

using Numbers = std::vector<double>;
const Numbers kSigmas = {.05, .1};

}  // namespace

TEST(Keypoints, SimilarityByHand) {
  const Numbers truth = {10, 10, 2, 20, 20, 1}, found = {13, 14, .5, 20, 20, .5};
  // 5 pixels away, area 2500, sigma .05: e = 25 / .01 / 2500 / 2
  EXPECT_NEAR(keypoint_similarity(found, truth, {}, 2500, kSigmas), (std::exp(-.5) + 1) / 2, 1e-12);
  const Numbers hidden = {10, 10, 0, 20, 20, 1};
  EXPECT_NEAR(keypoint_similarity(found, hidden, {}, 2500, kSigmas), 1, 1e-12);
  // Nothing is visible: 10 to 20 counts from 0 to 30, so that only the second, 5 beyond, is off.
  const Numbers none = {0, 0, 0, 0, 0, 0}, near = {25, 12, 1, 35, 0, 1};
  EXPECT_NEAR(keypoint_similarity(near, none, {10, 10, 10, 10}, 2500, kSigmas), (1 + std::exp(-.125)) / 2, 1e-12);
  EXPECT_ERROR(keypoint_similarity(found, Numbers{1, 1, 1}, {}, 1, kSigmas), "do not fit");
}

TEST(Keypoints, ScoresAndSuppression) {
  EXPECT_NEAR(keypoint_score(.5, Numbers{0, 0, .8, 0, 0, .4, 0, 0, .2}), .3, 1e-12);
  EXPECT_EQ(keypoint_score(.5, Numbers{0, 0, .1}), 0);
  const std::vector<FoundKeypoints> found = {{{10, 10, 1, 20, 20, 1}, .8, 2500},
                                             {{50, 50, 1, 60, 60, 1}, .7, 2500},
                                             {{10, 11, 1, 20, 20, 1}, .9, 2500},
                                             {{10, 10, 0, 20, 20, 0}, .9, 2500}};
  EXPECT_EQ(keypoint_nms(found, .9, kSigmas), (std::vector<size_t>{3, 1}));
  EXPECT_EQ(keypoint_nms(found, 1, kSigmas), (std::vector<size_t>{3, 2, 0, 1}));
  EXPECT_TRUE(keypoint_nms({}, .9, kSigmas).empty());
  EXPECT_ERROR(keypoint_nms({{{1, 2}, 1, 1}}, .9, kSigmas), "2 numbers for 2 keypoints; expected three each");
}

TEST(Keypoints, PckAndRootMeanSquare) {
  KeypointErrors errors(2);
  EXPECT_TRUE(std::isnan(errors.mean_pck(.1)));
  errors.add(Numbers{3, 4, 1, 0, 0, 1}, Numbers{0, 0, 2, 100, 0, 0}, 100);  // 5 off; the other is not there
  errors.add(Numbers{0, 15, 1, 7, 5, 1}, Numbers{0, 0, 1, 7, 4, 2}, 100);   // 15 and 1 off
  EXPECT_EQ(errors.pck(.1), (Numbers{.5, 1}));
  EXPECT_NEAR(errors.rmse()[0], std::sqrt((25 + 225) / 2.), 1e-12);
  EXPECT_NEAR(errors.mean_pck(.1), 2. / 3, 1e-12);
  EXPECT_NEAR(errors.mean_rmse(), std::sqrt(251. / 3), 1e-12);
  EXPECT_EQ(errors.within(5), (Numbers{.5, 1})) << "the bound itself is within";
  EXPECT_EQ(errors.median(), (Numbers{10, 1}));
  EXPECT_NEAR(errors.mean_within(4.9), 1. / 3, 1e-12);
  EXPECT_EQ(errors.median_of_all(), 5);
  EXPECT_EQ(errors.distances(0), (Numbers{5, 15}));
  errors.add_missed(Numbers{0, 0, 2, 0, 0, 0});
  EXPECT_EQ(errors.within(5), (Numbers{1. / 3, 1}));
  EXPECT_EQ(errors.pck(.1), (Numbers{1. / 3, 1}));
  EXPECT_EQ(errors.median_of_all(), 5) << "what was missed has no distance";
  EXPECT_ERROR(errors.add_missed(Numbers{1}), "1 numbers are true, expected 6");
  EXPECT_TRUE(std::isnan(KeypointErrors(1).median()[0]) && std::isnan(KeypointErrors(1).within(9)[0]));
  EXPECT_ERROR(errors.add(Numbers{1, 1, 1}, Numbers{1, 1, 1}, 1), "expected 6: three for each of 2 keypoints");
  EXPECT_ERROR(errors.add(Numbers(6), Numbers(6), 0), "an object's size must be above 0, got 0");
}
