#include <map>

#include "hadal/data/loader.h"
#include "hadal/data/vision/scenes/scene_data.h"
#include "hadal/data/vision/scenes/sources.h"
#include "hadal/data/vision/scenes/tiles.h"

#include "tests/support/support.h"

using namespace hadal;

TEST(Balance, WeighsSeldomClassesMore) {
  const auto w = class_weights(torch::tensor({900, 100, 0}, torch::kInt64));
  EXPECT_NEAR((w[1] / w[0]).item<double>(), 3, 1e-5);
  EXPECT_EQ(w[2].item<float>(), 0);
  EXPECT_NEAR(((w[0] * 900 + w[1] * 100) / 1000).item<double>(), 1, 1e-5);
  const auto far = class_weights(torch::tensor({1000000, 1}, torch::kInt64), 1);
  EXPECT_NEAR((far[1] / far[0]).item<double>(), 10, 1e-4);
  EXPECT_TRUE(class_weights(torch::zeros({2}, torch::kInt64)).equal(torch::ones({2})));
}

TEST(Balance, DrawsInProportionAndBySeed) {
  const std::vector<double> weights = {1, 1, 2, 4};
  const auto order = weighted_order(weights, 80, 3, 1);
  std::map<int64_t, int64_t> counts;
  for (const auto i : order) ++counts[i];
  EXPECT_EQ(order.size(), 80u);
  EXPECT_EQ(counts[0], 10);
  EXPECT_EQ(counts[2], 20);
  EXPECT_EQ(counts[3], 40);
  EXPECT_EQ(order, weighted_order(weights, 80, 3, 1));
  EXPECT_NE(order, weighted_order(weights, 80, 3, 2));
  EXPECT_ERROR(weighted_order({0, 0}, 3, 0, 0), "weights that sum to 0");
}

TEST(Balance, PicturesOfSeldomClassesComeMoreOften) {
  const auto data = scene_sources().make({"shapes", {{"train", 40}, {"max_objects", 1}}}).open("train");
  EXPECT_EQ(class_counts(*data).sum().item<int64_t>(), 40);
  for (const auto w : balanced_weights(*data, 1)) EXPECT_GT(w, 1);
  for (const auto w : balanced_weights(*data, 0.01)) EXPECT_EQ(w, 1);
}

TEST(Tiles, CutScenesWithTheirTruth) {
  const std::shared_ptr<const SceneData> data =
      scene_sources().make({"shapes", {{"train", 6}, {"size", 128}}}).open("train");
  const TiledScenes tiles(data, 80, 0.25);
  EXPECT_EQ(tiles.size(), 24);
  int64_t objects = 0;
  for (int64_t i = 0; i < tiles.size(); ++i) {
    const auto scene = tiles.get(i);
    const auto truth = tiles.truth(i);
    EXPECT_EQ(scene.image.size(0), 80);
    ASSERT_EQ(scene.boxes.size(0), truth.boxes.size(0));
    EXPECT_TRUE(scene.labels.equal(truth.labels));
    EXPECT_EQ(scene.masks.size(0), truth.boxes.size(0));
    objects += truth.boxes.size(0);
    if (truth.boxes.size(0) > 0) EXPECT_LE(truth.boxes.max().item<float>(), 80);
  }
  int64_t whole = 0;
  for (int64_t i = 0; i < 6; ++i) whole += data->truth(i).boxes.size(0);
  EXPECT_GE(objects, whole) << "every object lies in a tile";
  EXPECT_THAT(tiles.name(1), testing::EndsWith("[48,0]"));
}
