#include "hadal/data/vision/scenes/placement.h"

#include "hadal/data/vision/scenes/tiles.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

Tensor noise(int64_t height, int64_t width) {
  return torch::randint(0, 256, {height, width, 3}, torch::kInt64).to(torch::kUInt8);
}

Tensor interpolated(const Tensor& image, int64_t height, int64_t width, bool corners) {
  return F::interpolate(image.permute({2, 0, 1}).unsqueeze(0).to(torch::kFloat32),
                        F::InterpolateFuncOptions()
                            .size(std::vector<int64_t>{height, width})
                            .mode(torch::kBilinear)
                            .align_corners(corners))[0]
      .permute({1, 2, 0});
}

using Sampling = Preparation::Sampling;

}  // namespace

TEST(Prepare, ResizesAsTorchDoes) {
  torch::manual_seed(1);
  const auto image = noise(37, 53);
  for (const bool corners : {false, true})
    for (const auto& [h, w] : {std::pair<int64_t, int64_t>{20, 31}, {90, 60}, {1, 1}, {37, 100}}) {
      const auto mine = resampled(image, h, w, corners ? Sampling::corners : Sampling::rounded).to(torch::kFloat32);
      EXPECT_LE((mine - interpolated(image, h, w, corners)).abs().max().item<float>(), 0.6) << h << "x" << w;
    }
}

TEST(Prepare, ResizesAsOpenCvDoes) {
  // cv2.resize(image, (5, 2)) of OpenCV 5.0: a level below the rounded value where its sums are cut.
  const auto image = (torch::arange(4 * 7 * 3).square() % 251).to(torch::kUInt8).reshape({4, 7, 3});
  const auto theirs = torch::tensor({84, 107, 32,  95,  52,  85,  114, 154, 71,  122, 120, 170, 62, 93,  152,
                                     95, 102, 186, 107, 148, 140, 128, 126, 127, 137, 68,  153, 78, 194, 111});
  EXPECT_TRUE(resampled(image, 2, 5, Sampling::opencv).flatten().equal(theirs.to(torch::kUInt8)));
  EXPECT_FALSE(resampled(image, 2, 5, Sampling::rounded).flatten().equal(theirs.to(torch::kUInt8)));
}

TEST(Prepare, AveragesOverWhatASmallerPictureLeavesOut) {
  torch::manual_seed(2);
  const auto image = noise(40, 60);
  const Preparation p{.fit = Preparation::Fit::squash, .sampling = Sampling::antialias, .size = 16};
  EXPECT_TRUE(prepare(image, p).image.equal(resize(image, 16, 16)));
  EXPECT_FALSE(resampled(image, 16, 16, Sampling::rounded).equal(resize(image, 16, 16)));
}

TEST(Prepare, LettersboxesAsYoloDoes) {
  const auto out = prepare(torch::zeros({1080, 810, 3}, torch::kUInt8), {});
  EXPECT_EQ(out.image.sizes(), (std::vector<int64_t>{640, 480, 3}));
  EXPECT_DOUBLE_EQ(out.placement.scale_x, 480.0 / 810);
  const auto wide = prepare(torch::zeros({100, 300, 3}, torch::kUInt8), {.size = 320});
  EXPECT_EQ(wide.image.sizes(), (std::vector<int64_t>{128, 320, 3}));  // 107 of 128 rows
  EXPECT_EQ(wide.placement.top, 10);
  EXPECT_EQ(wide.image[9][0][0].item<int64_t>(), 114);
  EXPECT_EQ(wide.image[10][0][0].item<int64_t>(), 0);
  EXPECT_EQ(wide.image[117][0][0].item<int64_t>(), 114);
  EXPECT_EQ(prepare(torch::zeros({100, 300, 3}, torch::kUInt8), {.size = 320, .corner = true}).placement.top, 0);
  EXPECT_EQ(prepare(torch::zeros({100, 300, 3}, torch::kUInt8), {.size = 320}, 0, true).image.size(0), 320);
}

TEST(Prepare, TakesEverySize) {
  for (const auto fit : {Preparation::Fit::letterbox, Preparation::Fit::squash, Preparation::Fit::shorter_side})
    for (const auto& [h, w] : {std::pair<int64_t, int64_t>{1, 1}, {200, 20000}, {20000, 200}}) {
      const auto out = prepare(torch::zeros({h, w, 3}, torch::kUInt8), {.fit = fit, .size = 64, .longest = 100});
      EXPECT_GE(out.image.size(0), 1);
      EXPECT_LE(std::max(out.image.size(0), out.image.size(1)), 128);
    }
  const auto rcnn = prepare(torch::zeros({480, 640, 3}, torch::kUInt8),
                            {.fit = Preparation::Fit::shorter_side, .size = 800, .longest = 1333});
  EXPECT_EQ(rcnn.image.sizes(), (std::vector<int64_t>{800, 1066, 3}));
  EXPECT_EQ(rcnn.size, (ImageSize{800, 1066}));
}

TEST(Prepare, BatchesInTheNetworksOrder) {
  auto image = torch::zeros({2, 2, 3}, torch::kUInt8);
  image.select(2, 0).fill_(255);
  const Preparation p{.bgr = true, .mean = {0.5, 0, 0}, .std = {0.5, 1, 2}};
  const auto out = stacked({image, torch::zeros({4, 3, 3}, torch::kUInt8)}, p);
  EXPECT_EQ(out.sizes(), (std::vector<int64_t>{2, 3, 4, 3}));
  EXPECT_FLOAT_EQ(out[0][2][0][0].item<float>(), 0.5f);
  EXPECT_FLOAT_EQ(out[0][0][0][0].item<float>(), -1);
  EXPECT_FLOAT_EQ(out[0][1][3][0].item<float>(), 114 / 255.0f);
  EXPECT_ERROR(stacked({image}, {.mean = {1}}), "mean and std want a number for each of 3 channels");
}

TEST(Prepare, BringsBackWhatItPlaced) {
  const auto prepared = prepare(torch::zeros({100, 300, 3}, torch::kUInt8), {.size = 320});
  const auto boxes = torch::tensor({10.f, 20.f, 110.f, 80.f}).reshape({1, 4});
  Found found;
  found.boxes = placed_boxes(boxes, prepared.placement);
  found.labels = torch::zeros({1}, torch::kInt64), found.scores = torch::ones({1});
  found.keypoints = placed_keypoints(torch::tensor({50.f, 40.f, 1.f}).reshape({1, 1, 3}), prepared.placement);
  found.masks = torch::full({1, 128, 320}, -5.f);
  const auto* b = found.boxes.const_data_ptr<float>();
  found.masks[0].slice(1, int64_t(b[0]), int64_t((b[0] + b[2]) / 2)).fill_(5);
  const auto back = brought_back(found, prepared.placement, {128, 320});
  EXPECT_LT((back.boxes - boxes).abs().max().item<float>(), 1e-3);
  EXPECT_NEAR(back.keypoints[0][0][0].item<float>(), 50, 1e-3);
  EXPECT_EQ(back.masks_are, Found::Masks::within_box);
  EXPECT_NEAR(back.masks.mean().item<float>(), 0.5, 0.02);
}

TEST(Prepare, MasksOfBoxesThatLeaveThePictureStayWhereTheyAre) {
  const auto prepared = prepare(torch::zeros({320, 320, 3}, torch::kUInt8), {.size = 320});
  Found found;
  found.boxes = torch::tensor({-100.f, 0.f, 100.f, 100.f}).reshape({1, 4});
  found.labels = torch::zeros({1}, torch::kInt64), found.scores = torch::ones({1});
  found.masks = torch::full({1, 320, 320}, -30.f);
  found.masks[0].slice(1, 50, 320).fill_(30);
  const auto back = brought_back(found, prepared.placement, {320, 320});
  EXPECT_EQ(back.boxes[0][0].item<float>(), 0);
  const auto row = back.masks[0][56];
  EXPECT_NEAR(row.mean().item<float>(), 0.5, 0.02);
  EXPECT_LT(row.slice(0, 0, 54).max().item<float>(), 0.01f);
}

TEST(Tiles, CoverThePictureAndOverlap) {
  const auto tiles = tiles_of({700, 1500}, 640, 0.2);
  EXPECT_EQ(tiles.size(), 6u);
  auto seen = torch::zeros({700, 1500}, torch::kUInt8);
  for (const auto& t : tiles) seen.slice(0, t.top, t.top + t.height).slice(1, t.left, t.left + t.width).fill_(1);
  EXPECT_EQ(seen.min().item<int64_t>(), 1);
  EXPECT_EQ(tiles_of({20, 30}, 640, 0.2).size(), 1u);
  EXPECT_EQ(tiles_of({20, 30}, 640, 0.2)[0].width, 30);
  EXPECT_EQ(tiles_of({200, 20000}, 640, 0.2).size(), 39u);
  EXPECT_ERROR(tiles_of({20, 30}, 640, 1), "overlap from 0 to below 1");
}

TEST(Tiles, PutTogetherWhatEdgesCut) {
  const std::vector<PixelBox> tiles = {{0, 0, 100, 100}, {80, 0, 100, 100}};
  const auto found = [](std::vector<float> boxes, std::vector<float> scores, std::vector<int64_t> labels) {
    Found f;
    f.boxes = torch::tensor(boxes).reshape({-1, 4}), f.scores = torch::tensor(scores), f.labels = torch::tensor(labels);
    return f;
  };
  const auto merged =
      merged_tiles({found({60, 10, 100, 50, 10, 10, 20, 20}, {0.9f, 0.5f}, {0, 1}),
                    found({0, 10, 20, 50, 0, 12, 19, 48, 50, 50, 60, 60}, {0.6f, 0.4f, 0.8f}, {0, 1, 1})},
                   tiles, 0.5, 10);
  EXPECT_EQ(merged.boxes.size(0), 4);
  EXPECT_TRUE(merged.boxes[0].equal(torch::tensor({60.f, 10.f, 100.f, 50.f})));
  EXPECT_TRUE(merged.boxes[1].equal(torch::tensor({130.f, 50.f, 140.f, 60.f})));
  EXPECT_EQ(merged_tiles({found({}, {}, {}), found({}, {}, {})}, tiles, 0.5, 10).boxes.size(0), 0);
  // What the model itself lets stand side by side in one tile stays: two queries are two objects.
  const auto alone = merged_tiles({found({0, 0, 10, 10, 0, 0, 10, 9}, {0.9f, 0.8f}, {0, 0})}, {tiles[0]}, 0.5, 10);
  EXPECT_EQ(alone.boxes.size(0), 2);
}

TEST(Tiles, PiecesGiveWayToTheObjectTheyAreOf) {
  const std::vector<PixelBox> tiles = {{0, 0, 100, 100}, {60, 0, 100, 100}};
  const auto found = [](std::vector<float> boxes, std::vector<float> scores) {
    Found f;
    f.boxes = torch::tensor(boxes).reshape({-1, 4}), f.scores = torch::tensor(scores);
    f.labels = torch::zeros({f.scores.size(0)}, torch::kInt64);
    return f;
  };
  const auto kept = [&](const Found& left, const Found& right, int64_t most = 10) {
    return merged_tiles({left, right}, tiles, 0.7, most).scores;
  };
  // The left tile has two thirds of the object, and is surer of them than the right one of all of it.
  EXPECT_TRUE(kept(found({70, 10, 99, 50}, {0.9f}), found({12, 10, 55, 50}, {0.5f})).equal(torch::tensor({0.5f})));
  // Something faint in the other tile takes nothing away from what is sure, and goes itself.
  EXPECT_TRUE(kept(found({70, 10, 99, 50}, {0.9f}), found({12, 10, 55, 50}, {0.1f})).equal(torch::tensor({0.9f})));
  // Nobody has it whole: of two pieces the larger one stays, in whichever order they come.
  EXPECT_TRUE(kept(found({70, 10, 100, 50}, {0.9f}), found({0, 10, 90, 50}, {0.5f})).equal(torch::tensor({0.5f})));
  EXPECT_TRUE(kept(found({10, 10, 100, 50}, {0.5f}), found({0, 10, 30, 50}, {0.9f})).equal(torch::tensor({0.5f})));
  // Whole ones are judged by overlap alone, and an edge of the picture cuts nothing.
  EXPECT_EQ(kept(found({65, 10, 95, 50}, {0.9f}), found({15, 10, 55, 50}, {0.5f})).size(0), 2);
  EXPECT_EQ(kept(found({65, 0, 95, 50}, {0.9f}), found({15, 0, 55, 50}, {0.5f})).size(0), 2);
  // Best first, and no more than asked for: a piece has its own score.
  const auto some = found({0, 10, 10, 20, 90, 60, 100, 70, 20, 10, 30, 20}, {0.3f, 0.9f, 0.8f});
  EXPECT_TRUE(kept(some, found({}, {}), 2).equal(torch::tensor({0.9f, 0.8f})));
}
