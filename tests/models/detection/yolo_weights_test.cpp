// Published weights, read from ultralytics' own files, find in two pictures what data/README.md says.
#include <algorithm>
#include <cmath>

#include "hadal/io/image.h"
#include "hadal/io/weights.h"
#include "hadal/models/detection/yolo.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

constexpr double kScore = 0.02, kPixels = 3;

struct Expected {
  int64_t label;  // of COCO's 80: 0 person, 1 bicycle, 2 car, 5 bus, 7 truck, 11 stop sign, 16 dog
  double score;
  std::array<double, 4> box;  // in pixels of the picture
};

std::filesystem::path weights_folder() { return data_folder().parent_path() / "weights"; }

/// The picture at 640 along its longer side: its sides are then whole strides.
std::pair<Tensor, double> prepared(const std::filesystem::path& path) {
  const auto image = read_image(path).permute({2, 0, 1}).unsqueeze(0).to(torch::kFloat32);
  const auto scale = 640.0 / static_cast<double>(std::max(image.size(2), image.size(3)));
  const auto size = [&](int64_t side) { return std::llround(static_cast<double>(side) * scale); };
  const auto options = F::InterpolateFuncOptions()
                           .size(std::vector<int64_t>{size(image.size(2)), size(image.size(3))})
                           .mode(torch::kBilinear)
                           .align_corners(false);
  return {F::interpolate(image, options).round() / 255, scale};
}

Found find_in(const std::string& preset, const std::string& file, const std::string& picture, double iou,
              double& scale) {
  const auto model = detectors().make({preset, {}});
  const auto report = load_weights(*model, weights_folder() / file);
  EXPECT_TRUE(report.clean()) << report.text();
  model->eval();
  const auto [pixels, by] = prepared(weights_folder() / picture);
  scale = by;
  auto found = model->find(pixels, {}, {.conf = 0.25, .iou = iou});
  found[0].boxes = found[0].boxes / by;
  return found[0];
}

void expect_found(const Found& found, const std::vector<Expected>& expected) {
  ASSERT_EQ(found.labels.size(0), static_cast<int64_t>(expected.size()));
  for (const auto& one : expected) {
    const auto wanted = torch::tensor(std::vector<double>(one.box.begin(), one.box.end()), torch::kFloat64);
    const auto apart = (found.boxes.to(torch::kFloat64) - wanted).abs().amax(1);
    const auto row = apart.argmin().item<int64_t>();
    EXPECT_LT(apart[row].item<double>(), kPixels) << "class " << one.label << " " << found.boxes[row];
    EXPECT_EQ(found.labels[row].item<int64_t>(), one.label);
    EXPECT_NEAR(found.scores[row].item<double>(), one.score, kScore);
  }
}

void expect_point(const Found& found, int64_t object, int64_t keypoint, double scale, double x, double y) {
  EXPECT_NEAR(found.keypoints[object][keypoint][0].item<double>() / scale, x, kPixels);
  EXPECT_NEAR(found.keypoints[object][keypoint][1].item<double>() / scale, y, kPixels);
  EXPECT_GT(found.keypoints[object][keypoint][2].item<double>(), 0.5);
}

const std::string kBus = "yolov5n/bus.jpg", kDog = "yolo-fastest/dog.jpg";

}  // namespace

TEST(YoloWeights, V5Finds) {
  NEEDS_DATA(weights_folder() / "yolov5n/yolov5n.pt");
  double scale = 1;
  expect_found(find_in("yolov5n", "yolov5n/yolov5n.pt", kBus, 0.45, scale), {{0, .876, {55, 398, 211, 889}},
                                                                             {0, .804, {683, 367, 811, 881}},
                                                                             {0, .787, {216, 409, 346, 865}},
                                                                             {0, .519, {0, 573, 72, 893}},
                                                                             {5, .492, {23, 228, 806, 781}}});
}

TEST(YoloWeights, V8Finds) {
  NEEDS_DATA(weights_folder() / "yolov8n/yolov8n-from-int8.pt");
  double scale = 1;
  expect_found(find_in("yolov8n", "yolov8n/yolov8n-from-int8.pt", kBus, 0.7, scale),
               {{0, .901, {671.1, 377.5, 808.7, 871.2}},
                {0, .901, {51.0, 398.7, 244.9, 902.4}},
                {0, .877, {224.1, 405.5, 341.7, 857.3}},
                {0, .292, {0.7, 553.3, 64.2, 873.3}},
                {5, .882, {22.3, 230.8, 802.1, 748.2}},
                {11, .291, {0.5, 254.2, 31.9, 325.4}}});
  expect_found(find_in("yolov8n", "yolov8n/yolov8n-from-int8.pt", kDog, 0.7, scale),
               {{16, .943, {131.9, 221.0, 308.4, 541.4}},
                {1, .829, {130.8, 141.5, 566.7, 418.2}},
                {7, .641, {469.9, 76.9, 692.4, 172.5}},
                {2, .590, {467.1, 76.4, 693.8, 171.7}}});
}

TEST(YoloWeights, V8FindsMasks) {
  NEEDS_DATA(weights_folder() / "yolov8n-seg/yolov8n-seg-from-int8.pt");
  double scale = 1;
  const auto found = find_in("yolov8n-seg", "yolov8n-seg/yolov8n-seg-from-int8.pt", kBus, 0.7, scale);
  ASSERT_EQ(found.labels.size(0), 5);
  const std::vector<double> scores = {.883, .850, .834, .791, .280}, pixels = {22422, 52406, 34018, 260720, 11775};
  const auto options =
      F::InterpolateFuncOptions().size(std::vector<int64_t>{1080, 810}).mode(torch::kBilinear).align_corners(false);
  const auto masks = F::interpolate(found.masks.unsqueeze(0), options)[0] > 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    EXPECT_NEAR(found.scores[row].item<double>(), scores[i], kScore);
    const auto box = found.boxes[row].round().to(torch::kInt64);
    const auto side = [&](int64_t k) { return box[k].item<int64_t>(); };
    const auto count = masks[row].slice(0, side(1), side(3)).slice(1, side(0), side(2)).sum().item<double>();
    EXPECT_NEAR(count, pixels[i], (scores[i] < 0.5 ? 0.05 : 0.02) * pixels[i]);
  }
}

TEST(YoloWeights, V11FindsKeypoints) {
  NEEDS_DATA(weights_folder() / "yolo11n-pose/yolo11n-pose-from-int8.pt");
  double scale = 1;
  const auto found = find_in("yolo11n-pose", "yolo11n-pose/yolo11n-pose-from-int8.pt", kBus, 0.7, scale);
  expect_found(found, {{0, .898, {48.5, 398.8, 239.8, 902.5}},
                       {0, .885, {669.2, 390.5, 808.7, 876.9}},
                       {0, .879, {224.5, 407.2, 342.4, 856.9}},
                       {0, .407, {0.9, 468.3, 74.4, 885.9}}});
  constexpr int64_t kNose = 0, kLeftAnkle = 15;
  expect_point(found, 0, kNose, scale, 141.5, 439.0);
  expect_point(found, 0, kLeftAnkle, scale, 183.4, 838.8);
  expect_point(found, 1, kLeftAnkle, scale, 722.7, 835.5);
  expect_point(found, 2, kNose, scale, 293.7, 446.3);
  expect_point(found, 2, kLeftAnkle, scale, 279.8, 785.8);
}
