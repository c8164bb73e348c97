#include "hadal/data/vision/shapes.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <thread>

#include "hadal/data/vision/shapes_outline.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

bool same(const Scene& a, const Scene& b) {
  return torch::equal(a.image, b.image) && torch::equal(a.boxes, b.boxes) && torch::equal(a.labels, b.labels) &&
         torch::equal(a.masks, b.masks) && torch::equal(a.keypoints, b.keypoints);
}

/// x1 y1 x2 y2 around the ones of a mask.
Tensor bounds(const Tensor& mask) {
  const auto columns = mask.any(0).nonzero().flatten(), rows = mask.any(1).nonzero().flatten();
  return torch::stack({columns.min(), rows.min(), columns.max() + 1, rows.max() + 1}).to(torch::kFloat32);
}

}  // namespace

TEST(Shapes, ASceneFollowsFromSeedSplitAndIndexAlone) {
  const Shapes train({.size = 96}, "train"), again({.size = 96, .train = 8}, "train"), val({.size = 96}, "val");
  const Shapes other({.size = 96, .seed = 1}, "train");
  std::vector<Scene> scenes(8);
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (auto i = 7 - t; i >= 0; i -= 4) scenes[i] = again.get(i);
    });
  for (auto& thread : threads) thread.join();
  for (int64_t i = 0; i < 8; ++i) {
    const auto scene = train.get(i);
    EXPECT_TRUE(same(scene, scenes[i])) << i;
    EXPECT_FALSE(torch::equal(scene.image, val.get(i).image));
    EXPECT_FALSE(torch::equal(scene.image, other.get(i).image));
    EXPECT_FALSE(torch::equal(scene.image, train.get(i + 1).image));
  }
}

TEST(Shapes, BoxesAreTightAroundDisjointMasks) {
  const Shapes shapes({.max_objects = 9}, "train");
  for (int64_t i = 0; i < 50; ++i) {
    const auto scene = shapes.get(i);
    const auto count = scene.labels.size(0);
    ASSERT_TRUE(count >= 1 && count <= 9) << count;
    ASSERT_EQ(scene.image.sizes(), (std::vector<int64_t>{160, 160, 3}));
    ASSERT_EQ(scene.image.scalar_type(), torch::kUInt8);
    ASSERT_EQ(scene.masks.sizes(), (std::vector<int64_t>{count, 160, 160}));
    EXPECT_LE(scene.masks.sum(0).max().item<int64_t>(), 1) << "masks overlap";
    for (int64_t n = 0; n < count; ++n) {
      EXPECT_TRUE(torch::equal(scene.boxes[n], bounds(scene.masks[n])));
      EXPECT_GE(scene.masks[n].sum().item<int64_t>(), 4);
    }
  }
}

TEST(Shapes, KeypointsAreInThePictureOrAbsent) {
  const Shapes shapes({.max_objects = 9}, "train");
  int64_t of[3] = {};
  for (int64_t i = 0; i < 150; ++i) {
    const auto scene = shapes.get(i);
    const auto points = scene.keypoints.accessor<float, 3>();
    const auto masks = scene.masks.accessor<uint8_t, 3>();
    ASSERT_EQ(scene.keypoints.sizes(), (std::vector<int64_t>{scene.labels.size(0), 5, 3}));
    for (int64_t n = 0; n < points.size(0); ++n)
      for (int64_t k = 0; k < 5; ++k) {
        const auto x = points[n][k][0], y = points[n][k][1], seen = points[n][k][2];
        ASSERT_TRUE(seen == 0 || seen == 1 || seen == 2);
        ++of[static_cast<int>(seen)];
        ASSERT_TRUE(x >= 0 && x < 160 && y >= 0 && y < 160);
        if (seen == 0) EXPECT_EQ(x + y, 0);
        if (seen != 0) EXPECT_EQ(masks[n][static_cast<int64_t>(y)][static_cast<int64_t>(x)], seen == 2);
      }
  }
  EXPECT_GT(of[0], 20);
  EXPECT_GT(of[1], 50);
  EXPECT_GT(of[2], 10 * of[1]);
}

// The dot that tells the angle: light in the middle of a shape's head, whatever the shape's colours.
TEST(Shapes, AVisibleHeadIsLight) {
  const Shapes shapes({.min_size = 0.2}, "train");
  int64_t heads = 0, light = 0;
  for (int64_t i = 0; i < 100; ++i) {
    const auto scene = shapes.get(i);
    for (int64_t n = 0; n < scene.labels.size(0); ++n) {
      const auto head = scene.keypoints[n][1];
      if (head[2].item<float>() < 2) continue;
      ++heads;
      light += scene.image[head[1].to(torch::kInt64).item<int64_t>()][head[0].to(torch::kInt64).item<int64_t>()]
                   .min()
                   .item<int64_t>() > 180;
    }
  }
  EXPECT_GT(heads, 200);
  EXPECT_GT(light, heads * 95 / 100);
}

// From the head, clockwise on the screen: right, tail, left; for every class at every angle.
TEST(Shapes, KeypointsKeepTheirOrder) {
  const Shapes shapes({}, "train");
  for (int64_t i = 0; i < 60; ++i) {
    const auto points = shapes.get(i).keypoints;
    for (int64_t n = 0; n < points.size(0); ++n) {
      if (points[n].select(1, 2).min().item<float>() == 0) continue;
      const auto arms = points[n].slice(1, 0, 2) - points[n][0].slice(0, 0, 2);
      const auto cross = [&](int64_t a, int64_t b) {
        return (arms[a][0] * arms[b][1] - arms[a][1] * arms[b][0]).item<float>();
      };
      EXPECT_GT(cross(1, 4), 0);
      EXPECT_GT(cross(4, 2), 0);
      EXPECT_GT(cross(2, 3), 0);
      EXPECT_GT(cross(3, 1), 0);
    }
  }
  ASSERT_EQ(Shapes::keypoints().size(), Shapes::keypoint_swap().size());
  EXPECT_EQ(Shapes::keypoints().at(Shapes::keypoint_swap().at(3)), "right");
  EXPECT_EQ(Shapes::keypoints().at(Shapes::keypoint_swap().at(4)), "left");
}

TEST(Shapes, ClassesAreEvenAndSizesSpread) {
  const Shapes shapes({}, "train");
  std::vector<int64_t> classes(4);
  int64_t small = 0, medium = 0, all = 0;
  for (int64_t i = 0; i < 400; ++i) {
    const auto scene = shapes.get(i);
    const auto sides = (scene.boxes.slice(1, 2) - scene.boxes.slice(1, 0, 2)).amax(1);
    for (int64_t n = 0; n < scene.labels.size(0); ++n) {
      ++classes.at(scene.labels[n].item<int64_t>()), ++all;
      const auto side = sides[n].item<float>();
      EXPECT_LE(side, 0.6 * 160 + 2);
      small += side < 18, medium += side >= 18 && side < 48;
    }
  }
  EXPECT_GT(all, 400 * 3);
  for (const auto count : classes) EXPECT_NEAR(static_cast<double>(count) / static_cast<double>(all), 0.25, 0.04);
  EXPECT_GT(small, all / 5);
  EXPECT_GT(medium, all / 4);
  EXPECT_GT(all - small - medium, all / 8);
}

TEST(Shapes, StandOutFromWhatIsAround) {
  const Shapes shapes({.max_objects = 1, .min_size = 0.2}, "val");
  int64_t clear = 0;
  for (int64_t i = 0; i < 100; ++i) {
    const auto scene = shapes.get(i);
    const auto image = scene.image.to(torch::kFloat32);
    const auto inside = scene.masks[0].to(torch::kBool);
    const auto outside = torch::ones_like(inside) & ~inside;
    clear += (image.index({inside}).mean(0) - image.index({outside}).mean(0)).norm().item<float>() > 30;
  }
  EXPECT_GE(clear, 95);
}

TEST(Shapes, OutlinesHaveTheAreaOfTheirFormulas) {
  using drawing::Kind;
  const auto area = [](Kind kind) {
    const auto outline = drawing::trace({kind, 200, 200, 150, 0.3f}, 400);
    return std::count_if(outline.distance.begin(), outline.distance.end(), [](float d) { return d < 0; }) /
           (150.0 * 150);
  };
  EXPECT_NEAR(area(Kind::circle), M_PI, 0.02);
  EXPECT_NEAR(area(Kind::square), 2, 0.02);
  EXPECT_NEAR(area(Kind::triangle), 3 * std::sqrt(3) / 4, 0.02);
  EXPECT_NEAR(area(Kind::star), 10 * 0.5 * 0.45 * std::sin(M_PI / 5), 0.02);
  EXPECT_NEAR(area(Kind::cross), 2 * 1.9 * 0.6 - 0.36, 0.02);
  EXPECT_NEAR(area(Kind::ring), M_PI * 0.75, 0.02);
  EXPECT_NEAR(area(Kind::hexagon), 3 * std::sqrt(3) / 2, 0.02);
  EXPECT_NEAR(area(Kind::crescent), M_PI - 1.6908, 0.02);  // less the lens with a circle of 0.8 that is 0.45 away
}

TEST(Shapes, OddSettingsStillDraw) {
  const Shapes crowd({.size = 16, .min_objects = 30, .max_objects = 30, .min_size = 0.4}, "test");
  const Shapes whole({.size = 33, .max_objects = 1, .min_size = 1, .max_size = 1}, "test");
  for (int64_t i = 0; i < 40; ++i) {
    EXPECT_GE(crowd.get(i).labels.size(0), 1);
    EXPECT_EQ(whole.get(i).labels.size(0), 1);
  }
}

TEST(Shapes, MistakesSayWhatWouldBeRight) {
  EXPECT_ERROR(Shapes({.min_objects = 7}, "train"), "[shapes] min_objects (7) must not be above max_objects (6)");
  EXPECT_ERROR(Shapes({.min_size = 0.7}, "train"), "[shapes] min_size (0.7) must not be above max_size (0.6)");
  EXPECT_ERROR(Shapes({.size = 40}, "train"), "[shapes] min_size (0.06) of 40 pixels is 2.4 pixels, too small");
  EXPECT_ERROR(Shapes({}, "vla"), "[shapes] unknown split \"vla\"; expected train, val or test");
  EXPECT_ERROR(Shapes({.val = 3}, "val").get(3), "[shapes] no picture 3; the split holds 3");
  EXPECT_ERROR(Shapes({.val = 3}, "val").get(-1), "[shapes] no picture -1");
  EXPECT_ERROR(ShapesClassification({.classes = 9}, "train"), "shapes.classes wants an integer from 2 to 8, got 9");
  EXPECT_ERROR(ShapesClassification({.val = 3}, "val").get(3), "[shapes] no picture 3; the split holds 3");
  ShapesConfig config;
  EXPECT_ERROR(read_config(config, parse_toml("size = 8", "t"), "data"), "data.size wants an integer from 16 to 4096");
  EXPECT_ERROR(read_config(config, parse_toml("trian = 8", "t"), "data"), "unknown setting data.trian; nearest: train");
}

TEST(ShapesClassification, GivesEachClassInTurn) {
  const ShapesClassification pictures({}, "train"), again({.train = 20}, "train"), val({}, "val");
  EXPECT_EQ(pictures.size(), 10000);
  EXPECT_EQ(pictures.classes().size(), 8u);
  EXPECT_EQ(pictures.classes().at(6), "crescent");
  EXPECT_EQ(pictures.name(17), "shapes/train[17]");
  EXPECT_EQ(ShapesClassification({.classes = 3}, "test").classes().back(), "triangle");
  std::set<int64_t> sums;
  for (int64_t i = 0; i < 16; ++i) {
    const auto picture = pictures.get(i);
    EXPECT_EQ(picture.label, i % 8);
    EXPECT_EQ(picture.image.sizes(), (std::vector<int64_t>{64, 64, 3}));
    EXPECT_TRUE(picture.image.is_contiguous());
    EXPECT_TRUE(torch::equal(picture.image, again.get(i).image));
    EXPECT_FALSE(torch::equal(picture.image, val.get(i).image));
    sums.insert(picture.image.sum().item<int64_t>());
  }
  EXPECT_EQ(sums.size(), 16u);
}
