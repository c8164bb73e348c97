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
  EXPECT_EQ(w[2].item<float>(), 1) << "what never comes must still learn to stay away";
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

namespace {

/// Pictures of 200 x 100 with boxes as given, and nothing drawn.
class Boxes : public SceneData {
 public:
  explicit Boxes(std::vector<Tensor> boxes) : boxes_(std::move(boxes)) { about_.classes = {"a", "b"}; }
  int64_t size() const override { return std::ssize(boxes_); }
  Scene get(int64_t index, const SceneView&) const override {
    const auto t = truth(index);
    return {torch::zeros({100, 200, 3}, torch::kUInt8), t.boxes, t.labels, {}, {}, t.crowd};
  }
  SceneTruth truth(int64_t index) const override {
    const auto count = boxes_.at(index).size(0);
    return {200, 100, boxes_[index], torch::arange(count).remainder(2), {}, torch::zeros({count}, torch::kBool), {}};
  }
  std::string name(int64_t index) const override { return fmt::format("{}", index); }
  const SceneAbout& about() const override { return about_; }

 private:
  std::vector<Tensor> boxes_;
  SceneAbout about_;
};

Tensor rows(const std::vector<float>& numbers) { return torch::tensor(numbers).view({-1, 4}); }

std::vector<std::string> names(const SceneData& data) {
  std::vector<std::string> out;
  for (int64_t i = 0; i < data.size(); ++i) out.push_back(data.name(i));
  return out;
}

}  // namespace

TEST(Tiles, AnObjectIsLearntWhereEnoughOfItIs) {
  // Two tiles of 100; the first object is cut at 60 : 40, the second at 90 : 10, the third lies in the right one.
  const auto data = std::make_shared<Boxes>(
      std::vector{rows({40, 0, 140, 20, 10, 30, 110, 50, 150, 60, 160, 70}), rows({10, 10, 20, 20})});
  const TiledScenes tiles(data, 100, 0, {.least = 0.25});
  ASSERT_EQ(tiles.size(), 4);
  EXPECT_TRUE(tiles.get(0).boxes.equal(rows({40, 0, 100, 20, 10, 30, 100, 50})));
  EXPECT_TRUE(tiles.get(1).boxes.equal(rows({0, 0, 40, 20, 50, 60, 60, 70})));
  EXPECT_TRUE(tiles.labels(1).equal(torch::tensor({int64_t{0}, int64_t{0}})))
      << "the second object, class 1, is left out";
  EXPECT_EQ(class_counts(tiles).sum().item<int64_t>(), 5);
  // One that is larger than any tile belongs to the tile with most of it.
  const TiledScenes large(std::make_shared<Boxes>(std::vector{rows({0, 0, 200, 100})}), 40, 0, {.least = 0.25});
  EXPECT_EQ(class_counts(large).sum().item<int64_t>(), 5 * 3) << "as much of it in each of the tiles";
}

TEST(Tiles, WithoutObjectsAreFewAndNeverHalfTruths) {
  // Ten pictures of two tiles: an object in the left one; in the first a bit of it reaches into the right one.
  std::vector<Tensor> boxes(10, rows({10, 10, 60, 60}));
  boxes[0] = rows({10, 10, 110, 60});
  const auto data = std::make_shared<Boxes>(boxes);
  const auto some = [&](double share, uint64_t seed) {
    return TiledScenes(data, 100, 0, {.empty = share, .seed = seed});
  };
  EXPECT_EQ(TiledScenes(data, 100, 0).size(), 20) << "all of them where nobody asks";
  EXPECT_EQ(some(0, 1).size(), 10);
  EXPECT_EQ(some(0.3, 1).size(), 13);
  EXPECT_EQ(some(5, 1).size(), 19) << "the tile with a bit of an object says neither yes nor no";
  EXPECT_THAT(names(some(5, 1)), testing::Not(testing::Contains("0[100,0]")));
  EXPECT_EQ(names(some(0.3, 1)), names(some(0.3, 1)));
  EXPECT_NE(names(some(0.3, 1)), names(some(0.3, 2)));
  const TiledScenes small(std::make_shared<Boxes>(std::vector{rows({}), rows({})}), 200, 0, {.empty = 0});
  EXPECT_EQ(small.size(), 2) << "pictures that nothing cuts stay";
}
