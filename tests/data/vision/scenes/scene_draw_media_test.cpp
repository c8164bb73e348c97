#include <gtest/gtest.h>

#include "hadal/data/vision/scenes/scene_draw.h"

namespace hadal {
namespace {

/// Two squares of one class that touch, on black.
Scene neighbours(int64_t side) {
  Scene scene{.image = torch::zeros({side, side, 3}, torch::kUInt8)};
  const auto half = side / 2, quarter = side / 4;
  scene.boxes = torch::tensor({0.F, 0.F, float(side), float(side)}).repeat({2, 1});  // out of the masks' way
  scene.labels = torch::zeros({2}, torch::kInt64);
  scene.masks = torch::zeros({2, side, side}, torch::kUInt8);
  scene.masks[0].slice(0, quarter, half + quarter).slice(1, 0, half).fill_(1);
  scene.masks[1].slice(0, quarter, half + quarter).slice(1, half, side).fill_(1);
  return scene;
}

std::vector<int64_t> pixel(const Tensor& image, int64_t y, int64_t x) {
  const auto values = image[y][x].to(torch::kInt64);
  return {values[0].item<int64_t>(), values[1].item<int64_t>(), values[2].item<int64_t>()};
}

TEST(SceneDraw, MasksOfOneClassDifferAndAreOutlined) {
  auto scene = neighbours(400);
  SceneAbout about;
  about.classes = {"cell", "other"};
  const auto image = drawn(scene, about);
  ASSERT_EQ(image.sizes(), scene.image.sizes());
  const auto left = pixel(image, 200, 100), right = pixel(image, 200, 300);
  EXPECT_NE(left, right);
  for (const auto& [row, column, inner] : {std::tuple{int64_t{200}, int64_t{199}, left}, {200, 200, right}}) {
    const auto edge = pixel(image, row, column);
    for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(edge[c], 2 * inner[c], 1) << column;
  }
}

TEST(SceneDraw, SmallPicturesAreEnlarged) {
  auto scene = neighbours(20);
  scene.masks = Tensor();
  scene.keypoints = torch::tensor({{{10.F, 10.F, 2.F}}, {{0.F, 0.F, 0.F}}});
  SceneAbout about;
  about.classes = {"cell"};
  about.keypoints = {"middle"};
  const auto image = drawn(scene, about);
  ASSERT_EQ(image.sizes(), (torch::IntArrayRef{320, 320, 3}));
  EXPECT_NE(pixel(image, 160, 160), (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(drawn({.image = torch::zeros({1, 1, 3}, torch::kUInt8)}, about).size(0), 320);
  EXPECT_EQ(drawn({.image = torch::zeros({200, 3000, 3}, torch::kUInt8)}, about).size(1), 3000);
}

}  // namespace
}  // namespace hadal
