// Crops of objects: where they lie beside transformers', what training sees of them, which objects have any points.
#include "hadal/data/vision/scenes/pose_batch.h"
#include "hadal/data/vision/scenes/sources.h"
#include "hadal/io/safetensors.h"
#include "hadal/models/pose/heatmaps.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

const NamedTensors& reference() {
  static const auto file = read_safetensors(test::golden("pose.safetensors"));
  return file;
}

/// COCO's x, y, width, height.
Window window_of(const Tensor& box) {
  const auto at = [&](int64_t i) { return box[i].item<double>(); };
  return {at(0), at(1), at(0) + at(2), at(1) + at(3)};
}

std::shared_ptr<SceneData> shapes(int64_t most = 1) {
  const auto source = scene_sources().make(
      {"shapes", {{"size", 64}, {"min_size", 0.3}, {"max_objects", most}, {"train", 12}, {"val", 4}, {"test", 0}}});
  return source.open("train");
}

const PosePreparation kSmall{.height = 64, .width = 64, .map_height = 16, .map_width = 16};

TEST(PoseCrop, KeypointsAreThoseOfTransformers) {
  const auto& maps = reference().at("decoding/maps");
  const PosePreparation preparation{.height = 4 * maps.size(2),
                                    .width = 4 * maps.size(3),
                                    .map_height = maps.size(2),
                                    .map_width = maps.size(3),
                                    .unbiased = true};
  const auto found = decoded(maps, HeatmapDecoding::dark);
  for (int64_t i = 0; i < maps.size(0); ++i) {
    const auto forward = into_input(window_of(reference().at("decoding/boxes")[i]), preparation, 1.25);
    const auto points = moved_points(found[i], inverted(followed_by(forward, into_maps(preparation))));
    const auto off = (points.slice(1, 0, 2) - reference().at("decoding/keypoints")[i]).abs().max().item<double>();
    EXPECT_LT(off, 1e-3) << i;
    EXPECT_TRUE(torch::equal(points.select(1, 2), reference().at("decoding/scores")[i]));
  }
}

TEST(PoseCrop, PicturesAreThoseOfTransformers) {
  const PosePreparation preparation{.height = 48, .width = 32, .unbiased = true};
  for (int64_t i = 0; i < 2; ++i) {
    const auto forward = into_input(window_of(reference().at("crops/boxes")[i]), preparation, 1.25);
    const auto made = pose_crop(reference().at("crops/picture"), forward, preparation);
    const auto wanted = reference().at("crops/made")[i].permute({1, 2, 0});
    const auto back = inverted(forward);
    int64_t inside = 0;
    for (int64_t y = 0; y < preparation.height; ++y)
      for (int64_t x = 0; x < preparation.width; ++x) {
        // Between the middles of the picture's pixels; theirs ends there, ours at the pixels' edges.
        const auto from = moved(back, static_cast<double>(x), static_cast<double>(y));
        if (from[0] < 0 || from[1] < 0 || from[0] > 89 || from[1] > 69) continue;
        ++inside;
        const auto off = (made[y][x].to(torch::kInt32) - wanted[y][x].to(torch::kInt32)).abs().max().item<int32_t>();
        EXPECT_LE(off, 1) << "theirs cuts levels down to whole numbers, ours rounds: " << x << ", " << y;
      }
    EXPECT_GT(inside, 700);
    if (i == 1) EXPECT_EQ(made[0].sum().item<int64_t>(), 0) << "black beyond the picture";
  }
}

TEST(PoseCrop, BoxesAreTheDatasOrThePointsOrThePicture) {
  SceneTruth truth{.width = 100, .height = 80};
  truth.boxes = torch::tensor({{10.0F, 20.0F, 30.0F, 40.0F}, {5.0F, 5.0F, 5.0F, 5.0F}});
  truth.keypoints = torch::tensor({{{0.0F, 0.0F, 0.0F}, {40.0F, 30.0F, 2.0F}, {140.0F, 50.0F, 1.0F}},
                                   {{50.0F, 50.0F, 2.0F}, {50.0F, 50.0F, 0.0F}, {50.0F, 50.0F, 0.0F}}});
  EXPECT_EQ(pose_box(truth, 0, PoseBox::data), (Window{10, 20, 30, 40}));
  EXPECT_EQ(pose_box(truth, 0, PoseBox::points), (Window{25, 15, 155, 65}));
  EXPECT_EQ(pose_box(truth, 0, PoseBox::whole), (Window{0, 0, 100, 80}));
  EXPECT_EQ(pose_box(truth, 1, PoseBox::data), (Window{40, 40, 60, 60})) << "a box without area";
  EXPECT_ERROR(box_around_points(torch::zeros({3, 3})), "an object without a point that is there");
  EXPECT_ERROR(into_input({0, 0, 0, 10}, kSmall, 1.25), "the box [0 0 0 10] has no area");
  EXPECT_ERROR(pose_box_from("boxes"), "box is data, points or whole, not \"boxes\"");
}

TEST(PoseSamples, LeaveOutCrowdsAndWhatHasNoPoint) {
  SceneTruth truth;
  truth.keypoints = torch::zeros({3, 2, 3});
  truth.keypoints[0][1][2] = 1;
  truth.keypoints[2][0][2] = 2;
  EXPECT_EQ(posed_objects(truth), (std::vector<int64_t>{0, 2}));
  truth.crowd = torch::tensor({false, false, true});
  EXPECT_EQ(posed_objects(truth), (std::vector<int64_t>{0}));
  const auto several = shapes(4);
  EXPECT_GT(pose_samples(*several, PoseBox::data).size(), 12u);
  EXPECT_ERROR(pose_samples(*several, PoseBox::whole), "box=whole wants one object a picture, and shapes/train[");
}

TEST(PoseTransform, PointsStandWhereTheirPixelsAre) {
  // Without augmentation a crop's heat maps lie on the labels, moved as the crop is.
  const auto data = shapes();
  const auto samples = pose_samples(*data, PoseBox::data);
  const PoseTransform plain({.degrees = 0, .scale = 0, .translate = 0, .hflip = 0, .hsv_h = 0, .hsv_s = 0, .hsv_v = 0},
                            kSmall, PoseBox::data, 1);
  const auto batch = plain(*data, samples, {.seed = 1, .indices = {0, 1}});
  EXPECT_EQ(batch.pixels.sizes(), (std::vector<int64_t>{2, 3, 64, 64}));
  const auto truth = data->truth(samples[1].picture);
  const auto forward = into_input(pose_box(truth, samples[1].object, PoseBox::data), kSmall, 1.25);
  const auto found =
      moved_points(decoded(batch.wanted, HeatmapDecoding::dark)[1], inverted(followed_by(forward, into_maps(kSmall))));
  const auto there = batch.weights[1].gt(0);
  ASSERT_TRUE(there.any().item<bool>());
  const auto off = (found - truth.keypoints[samples[1].object]).slice(1, 0, 2).abs().amax(1).masked_select(there);
  EXPECT_LT(off.max().item<double>(), 0.2);
}

TEST(PoseTransform, FlipsChangeSides) {
  const auto data = shapes();
  const auto samples = pose_samples(*data, PoseBox::data);
  PoseAugmentConfig still{.degrees = 0, .scale = 0, .translate = 0, .hflip = 0, .hsv_h = 0, .hsv_s = 0, .hsv_v = 0};
  const auto plain = PoseTransform(still, kSmall, PoseBox::data, 1)(*data, samples, {.seed = 1, .indices = {2}});
  still.hflip = 1;
  const auto mirrored = PoseTransform(still, kSmall, PoseBox::data, 1)(*data, samples, {.seed = 1, .indices = {2}});
  const auto back = mirrored.pixels.flip(3);
  // The middles of the first columns lie on the last ones' in both.
  EXPECT_LT((back - plain.pixels).abs().median().item<double>(), 0.05);
  auto points = mirrored.points.index_select(1, torch::tensor(data->about().swap, torch::kInt64)).clone();
  points.select(2, 0).copy_(15.75 - points.select(2, 0));
  EXPECT_LT(((points - plain.points) * plain.weights.unsqueeze(2)).abs().max().item<double>(), 1e-3);
  still.vflip = 1;
  const auto turned = PoseTransform(still, kSmall, PoseBox::data, 1)(*data, samples, {.seed = 1, .indices = {2}});
  auto same = turned.points.clone();
  same.slice(2, 0, 2).copy_(15.75 - same.slice(2, 0, 2));
  EXPECT_LT(((same - plain.points) * plain.weights.unsqueeze(2)).abs().max().item<double>(), 1e-3)
      << "mirrored both ways is turned: sides stay";
}

TEST(PoseTransform, ASampleIsTheSameWhateverBatchItStandsIn) {
  const auto data = shapes();
  const auto samples = pose_samples(*data, PoseBox::points);
  const PoseTransform transform({.half_body = 0.5}, kSmall, PoseBox::points, 1);
  const auto alone = transform(*data, samples, {.seed = 7, .epoch = 3, .indices = {4}});
  const auto among = transform(*data, samples, {.seed = 7, .epoch = 3, .indices = {1, 4, 5}});
  EXPECT_TRUE(torch::equal(alone.pixels[0], among.pixels[1]));
  EXPECT_TRUE(torch::equal(alone.wanted[0], among.wanted[1]));
  const auto later = transform(*data, samples, {.seed = 7, .epoch = 4, .indices = {4}});
  EXPECT_FALSE(torch::equal(alone.pixels, later.pixels));
}

}  // namespace
}  // namespace hadal
