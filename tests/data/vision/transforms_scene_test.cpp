#include <fmt/ranges.h>

#include "hadal/data/vision/transforms.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

/// Two objects, each an odd outline with its tight box, and keypoints on single pixels that no other pixel equals.
Scene drawn() {
  Scene s;
  s.image = torch::zeros({30, 40, 3}, torch::kUInt8);
  s.masks = torch::zeros({2, 30, 40}, torch::kUInt8);
  for (int64_t y = 4; y < 20; ++y)
    for (int64_t x = 6; x <= 6 + (y - 4); ++x) s.masks[0][y][x] = 1;
  for (int64_t y = 12; y < 25; ++y)
    for (int64_t x = 20; x < 38; ++x)
      if ((x - 29) * (x - 29) * 2 + (y - 18) * (y - 18) * 4 < 160) s.masks[1][y][x] = 1;
  s.labels = torch::tensor({3, 5}, torch::kInt64);
  s.boxes = torch::tensor({{6.f, 4.f, 22.f, 20.f}, {21.f, 12.f, 38.f, 25.f}});
  s.keypoints = torch::tensor({{{8.5f, 10.5f, 2.f}, {12.5f, 18.5f, 1.f}, {0.f, 0.f, 0.f}},
                               {{25.5f, 16.5f, 2.f}, {30.5f, 20.5f, 2.f}, {33.5f, 15.5f, 2.f}}});
  int level = 50;
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t k = 0; k < 3; ++k)
      if (s.keypoints[i][k][2].item<float>() > 0)
        s.image[static_cast<int64_t>(s.keypoints[i][k][1].item<float>())]
               [static_cast<int64_t>(s.keypoints[i][k][0].item<float>())] = level += 30;
  return s;
}

/// The box around a mask's pixels, or nothing.
std::optional<std::array<double, 4>> outline(const Tensor& mask) {
  const auto at = mask.nonzero().to(torch::kFloat64);
  if (at.numel() == 0) return std::nullopt;
  const auto low = at.amin(0), high = at.amax(0) + 1;
  return std::array{low[1].item<double>(), low[0].item<double>(), high[1].item<double>(), high[0].item<double>()};
}

void expect_tight(const Scene& s, double slack = 0) {
  ASSERT_EQ(s.masks.sizes().slice(1), s.image.sizes().slice(0, 2));
  for (int64_t i = 0; i < s.boxes.size(0); ++i) {
    const auto tight = outline(s.masks[i]);
    for (int k = 0; k < 4; ++k)
      EXPECT_NEAR(s.boxes[i][k].item<double>(), tight ? (*tight)[k] : 0, slack) << "object " << i << ", edge " << k;
  }
}

/// Each keypoint of `moved` lies on the pixel with the level it marked before; `order` says which it was.
void expect_followed(const Scene& before, const Scene& moved, const std::vector<int64_t>& order = {0, 1, 2}) {
  const auto pixel = [](const Scene& s, const Tensor& point) {
    return s.image[static_cast<int64_t>(point[1].item<float>())][static_cast<int64_t>(point[0].item<float>())][0]
        .item<int>();
  };
  int checked = 0;
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t k = 0; k < 3; ++k) {
      const auto point = moved.keypoints[i][k], origin = before.keypoints[i][order[k]];
      if (point[2].item<float>() == 0) continue;
      EXPECT_EQ(point[2].item<float>(), origin[2].item<float>());
      EXPECT_EQ(pixel(moved, point), pixel(before, origin)) << "object " << i << ", keypoint " << k;
      ++checked;
    }
  EXPECT_GE(checked, 3);
}

bool same_pixels(const Scene& a, const Scene& b) {
  return a.image.equal(b.image) && a.boxes.equal(b.boxes) && a.masks.equal(b.masks) && a.labels.equal(b.labels) &&
         a.keypoints.equal(b.keypoints);
}

}  // namespace

TEST(SceneTransforms, FlippingTwiceIsTheIdentity) {
  const auto s = drawn();
  EXPECT_FALSE(same_pixels(hflip(s), s));
  EXPECT_FALSE(same_pixels(vflip(s), s));
  EXPECT_TRUE(same_pixels(hflip(hflip(s)), s));
  EXPECT_TRUE(same_pixels(vflip(vflip(s)), s));
  EXPECT_TRUE(same_pixels(hflip(hflip(s, {1, 0, 2}), {1, 0, 2}), s));
}

TEST(SceneTransforms, BoxesStayTightAndKeypointsFollow) {
  const auto s = drawn();
  expect_tight(s);
  for (const auto& moved : {hflip(s), vflip(s), pad(s, 3, 0, 5, 7), crop(s, {7, 3, 25, 20}), crop(s, {-5, -4, 60, 45}),
                            center_crop(s, 20, 30)}) {
    expect_tight(moved);
    expect_followed(s, moved);
  }
  expect_followed(s, hflip(s, {1, 0, 2}), {1, 0, 2});
  for (const auto& [height, width] : {std::pair{60, 80}, std::pair{45, 100}, std::pair{17, 31}})
    expect_tight(resize(s, height, width), 1 + width / 40.0);  // a new pixel and an old one: masks have whole pixels
  expect_followed(s, resize(s, 90, 120, Interpolation::nearest));
  expect_tight(resized_crop(s, {7, 3, 25, 20}, 60, 75), 1.01);
  expect_followed(s, resized_crop(s, {7, 3, 25, 20}, 60, 75, Interpolation::nearest));
  Random random(3);
  for (int i = 0; i < 30; ++i) {
    auto chosen = choose_affine({30, 40}, 180, 0.2, 0.3, 25, random);
    expect_tight(affine(s, chosen));
    chosen.scale = 3;  // every old pixel covers some new pixel's centre
    const auto grown = affine(s, chosen, Interpolation::nearest);
    expect_tight(grown);
    const auto m = affine_matrix(chosen, {30, 40});
    for (int64_t k = 0; k < 3; ++k) {
      const auto point = grown.keypoints[1][k], origin = s.keypoints[1][k];
      if (point[2].item<float>() == 0) continue;
      EXPECT_NEAR(point[0].item<double>(), m[0] * origin[0].item<double>() + m[1] * origin[1].item<double>() + m[2],
                  1e-3);
      const auto y = static_cast<int64_t>(point[1].item<float>()), x = static_cast<int64_t>(point[0].item<float>());
      EXPECT_EQ(grown.image[y][x][0].item<int>(),
                s.image[static_cast<int64_t>(origin[1].item<float>())][static_cast<int64_t>(origin[0].item<float>())][0]
                    .item<int>());
    }
  }
}

TEST(SceneTransforms, BoxesWithoutMasksGoAroundTheirCorners) {
  auto s = drawn();
  s.masks = Tensor(), s.keypoints = Tensor();
  const auto turned = affine(s, {.angle = 90, .scale = 0.5});
  // The first box has corners (6, 4) and (22, 20); clockwise about (20, 15), halved.
  const float expected[] = {17.5, 8, 25.5, 16};
  for (int k = 0; k < 4; ++k) EXPECT_NEAR(turned.boxes[0][k].item<float>(), expected[k], 1e-4) << k;
  EXPECT_FALSE(turned.masks.defined());
  EXPECT_TRUE(crop(s, {10, 10, 20, 10}).boxes.equal(torch::tensor({{0.f, 0.f, 12.f, 10.f}, {11.f, 2.f, 20.f, 10.f}})));
}

TEST(SceneTransforms, WhatLeavesThePictureIsHidden) {
  const auto s = drawn();
  const auto part = crop(s, {0, 0, 18, 12});
  EXPECT_EQ(part.boxes[1].abs().sum().item<float>(), 0);
  EXPECT_EQ(part.keypoints[1].abs().sum().item<float>(), 0);
  EXPECT_GT(part.keypoints[0][0][2].item<float>(), 0);
  EXPECT_EQ(part.keypoints[0][1].abs().sum().item<float>(), 0);
  const auto left = drop_hidden(part);
  EXPECT_TRUE(left.labels.equal(torch::tensor({3}, torch::kInt64)));
  EXPECT_EQ(left.masks.size(0), 1);
  EXPECT_EQ(left.keypoints.size(0), 1);
  EXPECT_EQ(drop_hidden(part, 100).boxes.size(0), 0);
  EXPECT_EQ(hflip(drop_hidden(part, 100)).boxes.size(0), 0);
}

TEST(SceneTransforms, MistakesSayWhatWasExpected) {
  const auto with = [](auto change) {
    auto s = drawn();
    change(s);
    return s;
  };
  EXPECT_ERROR(hflip(with([](Scene& s) { s.boxes = torch::zeros({2, 5}); })), "boxes must be float32 (N, 4)");
  EXPECT_ERROR(crop(with([](Scene& s) { s.masks = s.masks.slice(2, 1); }), {0, 0, 3, 3}),
               "masks must be uint8 (N, H, W) of the picture's size, got Byte [2, 30, 39]");
  EXPECT_ERROR(vflip(with([](Scene& s) { s.labels = s.labels.slice(0, 1); })), "got 2 and 1");
  EXPECT_ERROR(pad(with([](Scene& s) { s.keypoints = s.keypoints.to(torch::kInt32); }), 1, 1, 1, 1),
               "keypoints must be float32 (N, K, 3)");
  EXPECT_ERROR(hflip(drawn(), {1, 1, 2}), "must hold each of 0 to 2 once, got [1, 1, 2]");
  EXPECT_ERROR(hflip(drawn(), {1, 0}), "must hold each of 0 to 2 once");
  EXPECT_ERROR(drop_hidden(with([](Scene& s) { s.boxes = Tensor(); })), "wants a scene with boxes");
}
