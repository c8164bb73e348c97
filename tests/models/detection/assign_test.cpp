// Matching, drawing and coding of boxes; anchors; targets picture by picture.
#include "hadal/models/detection/assign.h"

#include "hadal/models/detection/anchors.h"
#include "hadal/models/detection/roi_heads.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

TEST(Matcher, TellsObjectsBackgroundAndWhatIsBetween) {
  const auto overlaps = torch::tensor({{0.8F, 0.45F, 0.1F, 0.2F}, {0.1F, 0.4F, 0.3F, 0.2F}});
  const Matcher plain{.high = 0.5, .low = 0.4};
  EXPECT_TRUE(torch::equal(plain(overlaps), torch::tensor({int64_t{0}, kBetween, kBackground, kBackground})));
  const Matcher all{.high = 0.5, .low = 0.4, .all_objects = true};  // the second object's nearest box is the first's
  EXPECT_TRUE(torch::equal(all(overlaps), torch::tensor({int64_t{0}, int64_t{0}, kBackground, kBackground})));
  EXPECT_TRUE(torch::equal(all(torch::zeros({1, 2})), torch::tensor({kBackground, kBackground})));
  EXPECT_TRUE(torch::equal(plain(torch::zeros({0, 2})), torch::tensor({kBackground, kBackground})));
}

TEST(Sampler, DrawsByTheSeedAndNoMoreThanItsShare) {
  const auto labels = torch::cat(
      {torch::ones({20}, torch::kInt64), torch::zeros({100}, torch::kInt64), torch::full({30}, -1, torch::kInt64)});
  const Sampler sample{.count = 16, .share = 0.25};
  torch::manual_seed(3);
  const auto [with, without] = sample(labels);
  EXPECT_EQ(with.size(0), 4);
  EXPECT_EQ(without.size(0), 12);
  EXPECT_TRUE(labels.index_select(0, with).eq(1).all().item<bool>());
  EXPECT_TRUE(labels.index_select(0, without).eq(0).all().item<bool>());
  torch::manual_seed(3);
  const auto again = sample(labels);
  EXPECT_TRUE(torch::equal(with, again.first) && torch::equal(without, again.second));
  EXPECT_FALSE(torch::equal(without, sample(labels).second));
  torch::manual_seed(3);  // as torchvision draws: objects, then the others
  EXPECT_TRUE(torch::equal(with, std::get<0>(torch::randperm(20, torch::kInt64).slice(0, 0, 4).sort())));
}

TEST(BoxCoder, BringsBackWhatItCoded) {
  const auto from = torch::tensor({{0.0, 0.0, 10.0, 20.0}, {5.0, 5.0, 6.0, 7.0}}, torch::kFloat64);
  const auto wanted = torch::tensor({{2.0, 1.0, 9.0, 30.0}, {4.0, 4.5, 8.0, 7.5}}, torch::kFloat64);
  const BoxCoder coder{{10, 10, 5, 5}};
  const auto deltas = coder.encode(wanted, from);
  EXPECT_NEAR(deltas[0][0].item<double>(), 10 * 0.5 / 10, 1e-12);
  EXPECT_LT((coder.decode(deltas, from).squeeze(1) - wanted).abs().max().item<double>(), 1e-12);
  const auto wild = coder.decode(torch::full({2, 4}, 1e6, torch::kFloat64), from);
  EXPECT_TRUE(wild.isfinite().all().item<bool>());
}

TEST(Anchors, LieAroundEveryPlace) {
  const Anchors anchors({.sizes = {32, 64}, .ratios = {0.5, 1, 2}}, 2);
  EXPECT_EQ(anchors.per_place(), 3);
  const auto out = anchors.on({torch::zeros({1, 8, 2, 3}), torch::zeros({1, 8, 1, 1})}, 16, 24);
  EXPECT_EQ(out[0].size(0), 18);
  EXPECT_TRUE(torch::equal(out[0][0], torch::tensor({-23.0F, -11.0F, 23.0F, 11.0F})));  // 45.25 x 22.63, whole pixels
  EXPECT_TRUE(torch::equal(out[0][4], torch::tensor({-8.0F, -16.0F, 24.0F, 16.0F})));  // the next place, 8 to the right
  EXPECT_TRUE(torch::equal(out[1][1], torch::tensor({-32.0F, -32.0F, 32.0F, 32.0F})));
  const Anchors small({.sizes = {1}, .ratios = {0.5, 1, 2}}, 1);  // of a pixel: half of one is rounded to even, 0
  const auto of_a_pixel =
      torch::tensor({{-1.0F, 0.0F, 1.0F, 0.0F}, {0.0F, 0.0F, 0.0F, 0.0F}, {0.0F, -1.0F, 0.0F, 1.0F}});
  EXPECT_TRUE(torch::equal(small.on({torch::zeros({1, 1, 1, 1})}, 1, 1)[0], of_a_pixel));
  EXPECT_ERROR(Anchors({.sizes = {32, 64, 128}}, 2), "sizes (3) must share out among the pyramid's 2 levels");
}

TEST(DetectionTargets, AreSharedOutAndChecked) {
  const auto like = torch::zeros({1});
  Targets targets{.boxes = torch::tensor({{0.0F, 0.0F, 2.0F, 2.0F}, {1.0F, 1.0F, 3.0F, 4.0F}}),
                  .labels = torch::tensor({int64_t{1}, int64_t{0}}),
                  .owner = torch::tensor({int64_t{1}, int64_t{1}})};
  const auto parts = by_picture("test", targets, 3, 2, like);
  EXPECT_EQ(parts[0].boxes.size(0), 0);
  EXPECT_EQ(parts[1].boxes.size(0), 2);
  EXPECT_EQ(parts[2].labels.size(0), 0);
  EXPECT_ERROR(by_picture("test", targets, 1, 2, like), "[test] owner must rise from 0 to 0, got 1 at 0");
  EXPECT_ERROR(by_picture("test", targets, 3, 1, like), "[test] labels 0 to 1 are not all of 1 classes");
  targets.boxes[1][2] = 1.0F;
  EXPECT_ERROR(by_picture("test", targets, 3, 2, like), "[test] box 1 (1, 1, 1, 4) has no area");
  targets.labels = torch::zeros({3}, torch::kInt64);
  EXPECT_ERROR(by_picture("test", targets, 3, 2, like), "[test] wants (2), got (3)");
  EXPECT_ERROR(picture_sizes("test", torch::zeros({1, 3, 8, 8}), torch::tensor({{9, 8}}, torch::kInt64)),
               "[test] picture 0 of 9 x 8 does not fit into a batch of 8 x 8");
}

TEST(Keypoints, StandAtTheirPlaceInMapsAndComeBack) {
  const auto boxes = torch::tensor({{10.0, 20.0, 66.0, 76.0}}, torch::kFloat64);
  const auto points = torch::tensor({{{10.5, 20.5, 2.0}, {66.0, 76.0, 1.0}, {30.2, 40.7, 0.0}, {5.0, 30.0, 2.0}}});
  const auto [place, visible] = places_in_maps(points, boxes, 56);
  EXPECT_TRUE(torch::equal(place, torch::tensor({{int64_t{0}, int64_t{56 * 56 - 1}, int64_t{0}, int64_t{0}}})));
  EXPECT_TRUE(torch::equal(visible, torch::tensor({{true, true, false, false}})));
  auto maps = torch::zeros({1, 1, 56, 56}, torch::kFloat64);
  maps[0][0][7][9] = 5;
  EXPECT_LT((highest_points(maps, boxes)[0][0] - torch::tensor({19.5, 27.5, 5.0}, torch::kFloat64))
                .abs()
                .max()
                .item<double>(),
            1e-9);
}
