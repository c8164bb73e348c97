#include "hadal/data/vision/scenes/scene_augment.h"
#include "hadal/data/vision/scenes/scene_batch.h"
#include "hadal/data/vision/scenes/sources.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

std::shared_ptr<SceneData> shapes(int64_t count = 12, int64_t size = 96) {
  return scene_sources().make({"shapes", {{"train", count}, {"val", 2}, {"size", size}}}).open("train");
}

/// Scenes that a test makes itself.
struct Given : SceneData {
  std::vector<Scene> scenes;
  SceneAbout what;
  int64_t size() const override { return std::ssize(scenes); }
  Scene get(int64_t i, const SceneView&) const override { return scenes.at(i); }
  SceneTruth truth(int64_t i) const override {
    const auto& s = scenes.at(i);
    return {s.image.size(1), s.image.size(0), s.boxes, s.labels, s.keypoints, s.crowd, {}};
  }
  std::string name(int64_t i) const override { return "given[" + std::to_string(i) + "]"; }
  const SceneAbout& about() const override { return what; }
};

Scene plain(int64_t height, int64_t width, int64_t grey, const std::vector<double>& box = {}) {
  Scene s;
  s.image = torch::full({height, width, 3}, grey, torch::kUInt8);
  s.boxes = torch::tensor(box, torch::kFloat32).reshape({-1, 4});
  s.labels = torch::zeros({s.boxes.size(0)}, torch::kInt64);
  return s;
}

const SceneAugmentConfig kNothing = {
    .mosaic = 0, .translate = 0, .scale = 0, .hsv_h = 0, .hsv_s = 0, .hsv_v = 0, .hflip = 0};

}  // namespace

TEST(Warp, StaysMirrorsAndTurnsExactly) {
  const auto image = torch::randint(0, 256, {6, 9, 3}, torch::kInt64).to(torch::kUInt8);
  auto out = torch::zeros({6, 9, 3}, torch::kUInt8);
  warp_onto(out, image, {0, 0, 9, 6}, kStay);
  EXPECT_TRUE(out.equal(image));
  warp_onto(out, image, {0, 0, 9, 6}, {-1, 0, 9, 0, 1, 0, 0, 0, 1});
  EXPECT_TRUE(out.equal(image.flip(1)));
  auto turned = torch::zeros({9, 6, 3}, torch::kUInt8);
  warp_onto(turned, image, {0, 0, 9, 6}, {0, -1, 6, 1, 0, 0, 0, 0, 1});  // a quarter, clockwise
  EXPECT_TRUE(turned.equal(image.rot90(-1)));
  // Four windows that meet leave no pixel out and take none twice.
  auto parts = torch::zeros({6, 9, 3}, torch::kUInt8);
  for (const Window& w : {Window{0, 0, 4.3, 2.5}, {4.3, 0, 9, 2.5}, {0, 2.5, 4.3, 6}, {4.3, 2.5, 9, 6}})
    warp_onto(parts, torch::ones_like(image), w, kStay);
  EXPECT_EQ(parts.min().item<int64_t>(), 1);
  // A tilt that changes nothing goes the other way through the code.
  auto tilted = torch::zeros({6, 9, 3}, torch::kUInt8);
  warp_onto(tilted, image, {0, 0, 9, 6}, {1, 0, 0, 0, 1, 0, 1e-12, 0, 1});
  EXPECT_TRUE(tilted.equal(image));
  EXPECT_ERROR(warp_onto(out, image, {0, 0, 9, 6}, {1, 0, 0, 1, 0, 0, 0, 0, 1}), "has no inverse");
}

TEST(Warp, ColorsShiftAsHsvDoes) {
  auto image =
      torch::tensor({{{200, 100, 50}, {80, 80, 80}, {0, 0, 255}}}, torch::kInt64).to(torch::kUInt8).contiguous();
  auto same = image.clone();
  shift_colors(same, 0, 1, 1);
  EXPECT_TRUE(same.equal(image));
  auto turned = image.clone();
  shift_colors(turned, 1.0 / 3, 1, 1);  // red to green to blue to red
  EXPECT_TRUE(turned[0][0].equal(torch::tensor({50, 200, 100}, torch::kInt64).to(torch::kUInt8)));
  EXPECT_TRUE(turned[0][2].equal(torch::tensor({255, 0, 0}, torch::kInt64).to(torch::kUInt8)));
  auto grey = image.clone();
  shift_colors(grey, 0.2, 0, 0.5);
  EXPECT_TRUE(grey[0][0].equal(torch::tensor({100, 100, 100}, torch::kInt64).to(torch::kUInt8)));
  EXPECT_TRUE(grey[0][1].equal(torch::tensor({40, 40, 40}, torch::kInt64).to(torch::kUInt8)));
}

TEST(SceneAugment, NothingChangesNothing) {
  const auto data = shapes();
  Random random(1);
  const auto scene = data->get(0), out = augmented(kNothing, {96, 96, false, 114, true}, *data, 0, 0, random);
  EXPECT_TRUE(out.image.equal(scene.image));
  const auto kept = (scene.boxes.slice(1, 2, 4) - scene.boxes.slice(1, 0, 2)).amin(1).gt(2).nonzero().squeeze(1);
  EXPECT_TRUE(out.boxes.equal(scene.boxes.index_select(0, kept)));
  EXPECT_TRUE(out.masks.equal(scene.masks.index_select(0, kept)));
}

TEST(SceneAugment, MovesPictureBoxesMasksAndKeypointsTogether) {
  const auto data = shapes(40);
  SceneAugmentConfig config;
  config.degrees = 30, config.shear = 5, config.perspective = 0.0004, config.vflip = 0.5, config.mixup = 0.2;
  config.copy_paste = 0.3;
  int64_t points = 0, inside = 0, objects = 0;
  for (int64_t i = 0; i < 40; ++i) {
    Random random(7, {static_cast<uint64_t>(i)});
    const auto s = augmented(config, {96, 96, false, 114, true}, *data, i, 0, random);
    ASSERT_EQ(s.image.sizes(), (std::vector<int64_t>{96, 96, 3}));
    const auto n = s.boxes.size(0);
    ASSERT_EQ(s.masks.sizes(), (std::vector<int64_t>{n, 96, 96}));
    ASSERT_EQ(s.keypoints.size(0), n);
    objects += n;
    for (int64_t j = 0; j < n; ++j) {
      const auto* b = s.boxes.const_data_ptr<float>() + 4 * j;
      EXPECT_TRUE(b[0] >= 0 && b[2] <= 96 && b[1] >= 0 && b[3] <= 96);
      const auto m = s.masks[j];
      const auto in_box =
          m.slice(0, int64_t(b[1]), int64_t(std::ceil(b[3]))).slice(1, int64_t(b[0]), int64_t(std::ceil(b[2])));
      EXPECT_EQ(in_box.sum().item<int64_t>(), m.sum().item<int64_t>()) << "a mask leaves its box";
      for (int64_t k = 0; k < 5; ++k) {
        const auto* p = s.keypoints.const_data_ptr<float>() + (j * 5 + k) * 3;
        if (p[2] != 2) continue;
        ++points;
        const auto x = std::min<int64_t>(95, int64_t(p[0])), y = std::min<int64_t>(95, int64_t(p[1]));
        inside += m[y][x].item<int64_t>() > 0;
      }
    }
  }
  EXPECT_GT(objects, 60);
  EXPECT_GT(points, 150);
  // What copy-paste covers and rounding at the edge of a shape are the rest.
  EXPECT_GT(static_cast<double>(inside), 0.9 * static_cast<double>(points));
}

TEST(SceneAugment, MosaicShowsFourPicturesAndTheirBoxes) {
  Given data;
  data.what.classes = {"box"};
  for (const int64_t grey : {10, 60, 160, 220}) {
    data.scenes.push_back(plain(50, 100, grey, {10, 10, 90, 40}));
    // A darker square where the box is.
    data.scenes.back().image.slice(0, 10, 40).slice(1, 10, 90).fill_(grey - 5);
  }
  auto config = kNothing;
  config.mosaic = 1;
  Random random(3);
  const auto s = augmented(config, {100, 100}, data, 0, 0, random);
  for (int64_t j = 0; j < s.boxes.size(0); ++j) {
    const auto* b = s.boxes.const_data_ptr<float>() + 4 * j;
    const auto part =
        s.image.slice(0, int64_t(b[1]) + 1, int64_t(b[3]) - 1).slice(1, int64_t(b[0]) + 1, int64_t(b[2]) - 1);
    EXPECT_EQ(part.min().item<int64_t>(), part.max().item<int64_t>()) << "a box covers its square alone";
    EXPECT_EQ(part.min().item<int64_t>() % 5, 0);
    EXPECT_NE(part.min().item<int64_t>(), 114);
  }
  Random late(3), none(3);
  config.close_mosaic = 0.25;
  const auto closed = augmented(config, {100, 100}, data, 0, 0.75, late);
  EXPECT_TRUE(closed.image.equal(augmented(kNothing, {100, 100}, data, 0, 0, none).image));
  EXPECT_EQ(closed.image[0][0][0].item<int64_t>(), 114);  // letterboxed
  EXPECT_EQ(closed.boxes[0][1].item<float>(), 35);
}

TEST(SceneAugment, FlipsSwapSidesAndCrowdsStayOut) {
  Given data;
  data.what.classes = {"a"}, data.what.keypoints = {"left", "right"}, data.what.swap = {1, 0};
  auto s = plain(20, 20, 50, {2, 2, 12, 12, 5, 5, 9, 9});
  s.keypoints = torch::tensor({3.0, 4.0, 2.0, 10.0, 4.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0})
                    .reshape({2, 2, 3})
                    .to(torch::kFloat32);
  s.crowd = torch::tensor({false, true});
  data.scenes.push_back(s);
  auto config = kNothing;
  config.hflip = 1;
  Random random(0);
  const auto out = augmented(config, {20, 20}, data, 0, 0, random);
  ASSERT_EQ(out.boxes.size(0), 1);
  EXPECT_TRUE(out.boxes[0].equal(torch::tensor({8.f, 2.f, 18.f, 12.f})));
  EXPECT_TRUE(out.keypoints[0].equal(torch::tensor({10.f, 4.f, 1.f, 17.f, 4.f, 2.f}).reshape({2, 3})));
  config.vflip = 1;
  Random again(0);
  const auto both = augmented(config, {20, 20}, data, 0, 0, again);
  EXPECT_EQ(both.keypoints[0][0][0].item<float>(), 17) << "turned by half, sides stay";
}

TEST(SceneAugment, MixesAndPastes) {
  const auto a = plain(10, 10, 100, {0, 0, 5, 5}), b = plain(10, 10, 200, {5, 5, 9, 9});
  const auto both = mixed(a, b, 0.25);
  EXPECT_EQ(both.image[3][3][0].item<int64_t>(), 175);
  EXPECT_EQ(both.boxes.size(0), 2);
  auto s = plain(10, 20, 100, {1, 1, 4, 4});
  s.image.slice(0, 1, 4).slice(1, 1, 4).fill_(250);
  s.masks = torch::zeros({1, 10, 20}, torch::kUInt8);
  s.masks[0].slice(0, 1, 4).slice(1, 1, 4).fill_(1);
  Random random(0);
  const auto out = pasted(s, s, 1, {}, random);
  ASSERT_EQ(out.boxes.size(0), 2);
  EXPECT_TRUE(out.boxes[1].equal(torch::tensor({16.f, 1.f, 19.f, 4.f})));
  EXPECT_EQ(out.image[2][17][0].item<int64_t>(), 250);
  EXPECT_EQ(out.masks[1].sum().item<int64_t>(), 9);
  EXPECT_EQ(out.image[2][10][0].item<int64_t>(), 100);
  auto wide = plain(10, 20, 100, {1, 1, 19, 9});
  wide.masks = torch::ones({1, 10, 20}, torch::kUInt8);
  EXPECT_EQ(pasted(wide, wide, 1, {}, random).boxes.size(0), 1) << "it would cover itself";
}

TEST(SceneAugment, RefusesSenselessSettings) {
  SceneAugmentConfig config;
  config.scale = 1;
  EXPECT_ERROR(validate_config(config, "augment"), "augment.scale");
  EXPECT_ERROR(SceneTransform({}, {.stride = 32}, true, false, 100),
               "size (100) must be a multiple of the model's stride");
}

TEST(SceneBatch, IsTheSameWhateverTheThreads) {
  const auto data = shapes();
  const SceneTransform transform({.multi_scale = 0.5}, {.size = 96, .stride = 32}, true, true);
  BatchPlan plan{5, 2, 1, {3, 4, 7}};
  const auto a = transform(*data, plan, 0.2), b = transform(*data, plan, 0.2);
  EXPECT_TRUE(a.pixels.equal(b.pixels));
  EXPECT_TRUE(a.targets.boxes.equal(b.targets.boxes));
  EXPECT_EQ(a.pixels.size(2) % 32, 0);
  EXPECT_EQ(a.targets.masks.size(1), a.pixels.size(2));
  EXPECT_EQ(a.targets.keypoints.size(0), a.targets.boxes.size(0));
  EXPECT_LE(a.pixels.max().item<float>(), 1);
  EXPECT_EQ(a.indices, plan.indices);
  plan.epoch = 3;
  const auto other = transform(*data, plan, 0.2);
  EXPECT_FALSE(other.pixels.sizes() == a.pixels.sizes() && other.pixels.equal(a.pixels));
}

TEST(SceneBatch, TakesEveryFitAndPicturesWithoutObjects) {
  Given data;
  data.what.classes = {"a"};
  for (const auto& [h, w] : {std::pair<int64_t, int64_t>{50, 100}, {100, 50}, {1, 1}, {200, 20000}})
    data.scenes.push_back(plain(h, w, 90, h == 50 ? std::vector<double>{10, 10, 60, 40} : std::vector<double>{}));
  using Fit = Preparation::Fit;
  for (const auto fit : {Fit::letterbox, Fit::squash, Fit::shorter_side})
    for (const bool train : {false, true}) {
      const Preparation preparation{.fit = fit, .size = 64, .longest = 128};
      const SceneTransform transform({.mosaic = train ? 0.5 : 0}, preparation, train, false);
      const auto batch = transform(data, {1, 1, 0, {0, 1, 2, 3}});
      EXPECT_EQ(batch.pixels.size(0), 4);
      EXPECT_EQ(batch.pixels.size(2) % 32, 0);
      EXPECT_LE(batch.sizes.max().item<int64_t>(), std::max(batch.pixels.size(2), batch.pixels.size(3)));
      EXPECT_TRUE(batch.pixels.isfinite().all().item<bool>());
      EXPECT_EQ(batch.placements.size(), train ? 0u : 4u);
    }
}
