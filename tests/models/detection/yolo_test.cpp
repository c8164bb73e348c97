// Sizes and names of YOLO models, what they refuse, and what an ultralytics file says of its network.
#include "hadal/models/detection/yolo.h"

#include <algorithm>

#include <nlohmann/json.hpp>
#include <torch/optim/adam.h>

#include "hadal/io/safetensors.h"
#include "hadal/models/detection/yolo_predict.h"
#include "hadal/nn/init.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

int64_t parameters_of(const std::string& name, int64_t classes) {
  const WithoutInit sizes_only;
  Table settings;
  settings.set("classes", classes);
  int64_t count = 0;
  for (const auto& parameter : detectors().make({name, settings})->parameters()) count += parameter.numel();
  return count;
}

struct Sizes {
  const char *family, *head;
  int64_t classes;
  std::array<int64_t, 5> parameters;
};

}  // namespace

TEST(Yolo, EverySizeHasAsManyParametersAsItsReference) {
  const std::vector<Sizes> rows = {
      {"v5", "", 80, {1872157, 7235389, 21190557, 46563709, 86749405}},
      {"v8", "", 80, {3157200, 11166560, 25902640, 43691520, 68229648}},
      {"v8", "-seg", 80, {3409968, 11821056, 27285968, 45997728, 71827888}},
      {"v8", "-pose", 1, {3295470, 11626046, 26464462, 44489196, 69491724}},
      {"11", "", 80, {2624080, 9458752, 20114688, 25372160, 56966176}},
      {"11", "-seg", 80, {2876848, 10113248, 22420896, 27678368, 62142656}},
      {"11", "-pose", 80, {2908507, 9948811, 20973273, 26230745, 58889881}},
      {"26", "", 80, {2572280, 10009784, 21896248, 26299704, 58993368}},
      {"26", "-seg", 80, {3126280, 11505800, 27112072, 31515528, 70693800}},
      {"26", "-pose", 80, {3747554, 11870498, 24344482, 28747938, 62914350}},
  };
  for (const auto& row : rows)
    for (size_t i = 0; i < row.parameters.size(); ++i) {
      const auto name = fmt::format("yolo{}{}{}", row.family, "nsmlx"[i], row.head);
      EXPECT_EQ(parameters_of(name, row.classes), row.parameters[i]) << name;
    }
}

namespace {

using Json = nlohmann::json;

/// What an ultralytics file says of its network.
Json file_of(const std::string& name) {
  static const auto reference = read_safetensors(golden("yolo.safetensors"));
  return Json::parse(reference.metadata.at("yaml/" + name));
}

int64_t classes_of(const Part& part) { return *part.settings.find("classes")->get_if<int64_t>(); }

Targets no_targets() {
  return {.boxes = torch::zeros({0, 4}),
          .labels = torch::zeros({0}, torch::kInt64),
          .owner = torch::zeros({0}, torch::kInt64),
          .masks = {},
          .keypoints = {}};
}

Targets one_target() {
  return {.boxes = torch::tensor({4.F, 8.F, 40.F, 50.F}).view({1, 4}),
          .labels = torch::zeros({1}, torch::kInt64),
          .owner = torch::zeros({1}, torch::kInt64),
          .masks = {},
          .keypoints = {}};
}

std::shared_ptr<DetectionModel> small_yolo(const std::string& preset) {
  Table settings;
  settings.set("width", 0.125);
  settings.set("classes", 2);
  return detectors().make({preset, settings});
}

const std::vector<std::string> kEach = {"yolov5n",     "yolov8n",      "yolov8n-seg", "yolov8n-pose", "yolo11n",
                                        "yolo11n-seg", "yolo11n-pose", "yolo26n",     "yolo26n-seg",  "yolo26n-pose"};

}  // namespace

TEST(YoloSettings, AFileNamesItsPreset) {
  for (const auto& [name, preset] : std::vector<std::pair<std::string, std::string>>{{"v5", "yolov5n"},
                                                                                     {"v8", "yolov8n"},
                                                                                     {"v8-seg", "yolov8n-seg"},
                                                                                     {"v8-pose", "yolov8n-pose"},
                                                                                     {"11", "yolo11n"},
                                                                                     {"11-seg", "yolo11n-seg"},
                                                                                     {"11-pose", "yolo11n-pose"},
                                                                                     {"26", "yolo26n"},
                                                                                     {"26-seg", "yolo26n-seg"},
                                                                                     {"26-pose", "yolo26n-pose"}}) {
    const auto part = yolo_settings(file_of(name));
    EXPECT_EQ(part.name, preset);
    EXPECT_EQ(classes_of(part), name == "v8-pose" ? 1 : 80);
    EXPECT_EQ(part.settings.find("depth"), nullptr) << "a known size needs no numbers of its own";
    if (name.ends_with("pose")) EXPECT_EQ(*part.settings.find("keypoints")->get_if<int64_t>(), 17);
    const WithoutInit sizes_only;
    EXPECT_EQ(detectors().make(part)->has_masks(), name.ends_with("seg"));
  }
}

TEST(YoloSettings, OtherSizesKeepTheirNumbers) {
  auto file = file_of("v8");
  file["yaml"]["scale"] = "m";
  EXPECT_EQ(yolo_settings(file).name, "yolov8m");
  file["yaml"]["scales"]["m"] = {0.67, 0.5, 512};
  const auto part = yolo_settings(file);
  EXPECT_EQ(part.settings.find("depth"), nullptr);
  EXPECT_EQ(*part.settings.find("width")->get_if<double>(), 0.5);
  EXPECT_EQ(*part.settings.find("most_channels")->get_if<int64_t>(), 512);
  auto old = file_of("v5");
  old["yaml"]["depth_multiple"] = 1.33;
  old["yaml"]["width_multiple"] = 1.25;
  EXPECT_EQ(yolo_settings(old).name, "yolov5x");
  old["yaml"]["width_multiple"] = 0.3;
  EXPECT_EQ(*yolo_settings(old).settings.find("width")->get_if<double>(), 0.3);
}

TEST(YoloSettings, WhatIsNoneOfHadalsIsNamed) {
  auto file = file_of("v8");
  file["yaml"]["backbone"][4][2] = "C2fCIB";
  EXPECT_ERROR(yolo_settings(file), "layer 4, C2fCIB with arguments (256, 1), is not the one of yolov8");
  file = file_of("11");
  file["yaml"]["head"].back()[2] = "OBB";
  EXPECT_ERROR(yolo_settings(file), "layer 23, OBB");
  file = file_of("v8");
  file["yaml"]["head"].erase(12);
  EXPECT_ERROR(yolo_settings(file), "of yolov8");
  file["yaml"]["head"].push_back({-1, "1", "Detect"});
  EXPECT_ERROR(yolo_settings(file), "layer 22 of the file is no [from, repeats, module, arguments]");
  file = file_of("v8");
  file["yaml"]["activation"] = "nn.ReLU()";
  EXPECT_ERROR(yolo_settings(file), "activation nn.ReLU()");
  file = file_of("v8");
  file["yaml"]["scale"] = "t";
  EXPECT_ERROR(yolo_settings(file), "scale \"t\"");
  file["yaml"].erase("head");
  EXPECT_ERROR(yolo_settings(file), "no list \"head\"");
  EXPECT_ERROR(yolo_settings(Json::object()), "does not say how its network is built");
  file = file_of("v8-pose");
  file["yaml"].erase("kpt_shape");
  EXPECT_ERROR(yolo_settings(file), "how many keypoints");
  file = file_of("v8");
  file["yaml"].erase("nc");
  EXPECT_ERROR(yolo_settings(file), "how many classes");
}

TEST(Yolo, RefusesWhatMakesNoNetwork) {
  EXPECT_ERROR(Yolo(YoloConfig{.family = "v5", .masks = true}), "v5 has neither masks nor keypoints");
  EXPECT_ERROR(Yolo(YoloConfig{.masks = true, .keypoints = 5}), "two different heads");
  EXPECT_ERROR(Yolo(YoloConfig{.family = "v9"}), "unknown family \"v9\"; nearest: v5, v8, 11");
  EXPECT_ERROR(small_yolo("yolov8n")->find(torch::zeros({1, 3, 64, 70}), {}, {}),
               "sides must be multiples of 32, got 70; nearest: 64");
  EXPECT_ERROR(small_yolo("yolov8n")->find(torch::zeros({1, 1, 64, 64}), {}, {}), "[yolo] wants (any, 3, any, any)");
}

TEST(Yolo, LossesSayWhatTheDataLacks) {
  const auto pixels = torch::rand({1, 3, 64, 64});
  EXPECT_ERROR(small_yolo("yolov8n-seg")->losses(pixels, {}, one_target()), "learns masks and the data has none");
  EXPECT_ERROR(small_yolo("yolo26n-pose")->losses(pixels, {}, one_target()), "learns keypoints and the data has none");
  auto targets = one_target();
  targets.keypoints = torch::zeros({1, 5, 3});
  EXPECT_ERROR(small_yolo("yolo11n-pose")->losses(pixels, {}, targets),
               "has 17 keypoints, the data 5; set keypoints=5");
}

TEST(Yolo, PicturesWithoutObjectsTeachTheirEmptiness) {
  torch::manual_seed(3);
  for (const auto& name : kEach) {
    const auto model = small_yolo(name);
    model->train();
    auto sum = torch::zeros({});
    for (const auto& [of, loss] : model->losses(torch::rand({2, 3, 64, 64}), {}, no_targets())) {
      EXPECT_TRUE(loss.isfinite().item<bool>()) << name << " " << of;
      if (of != "cls" && of != "obj") EXPECT_EQ(loss.item<double>(), 0) << name << " " << of;
      sum = sum + loss;
    }
    EXPECT_GT(sum.item<double>(), 0) << name;
    sum.backward();
    model->eval();
    for (const auto& found : model->find(torch::rand({2, 3, 64, 32}), {}, {.conf = 0.9}))
      EXPECT_EQ(found.boxes.sizes(), (std::vector<int64_t>{0, 4})) << name;
  }
}

TEST(Yolo, ABoxWithoutAreaBreaksNothing) {
  torch::manual_seed(3);
  for (const auto& name : kEach) {
    const auto model = small_yolo(name);
    auto targets = one_target();
    targets.boxes = torch::tensor({20.F, 20.F, 20.F, 20.F}).view({1, 4});
    if (model->has_masks()) targets.masks = torch::zeros({1, 64, 64}, torch::kUInt8);
    if (model->keypoints() > 0) targets.keypoints = torch::zeros({1, model->keypoints(), 3});
    for (const auto& [of, loss] : model->losses(torch::rand({1, 3, 64, 64}), {}, targets))
      EXPECT_TRUE(loss.isfinite().item<bool>()) << name << " " << of;
  }
}

TEST(Yolo, FreshHeadsAreWhatDependsOnTheClasses) {
  for (const auto& name : kEach) {
    const WithoutInit shapes_only;
    const auto few = small_yolo(name);
    Table settings;
    settings.set("width", 0.125);
    settings.set("classes", 90);
    const auto many = detectors().make({name, settings});
    const auto heads = few->heads();
    const auto theirs = many->named_parameters();
    for (const auto& item : few->named_parameters()) {
      if (item.value().sizes() == theirs[item.key()].sizes()) continue;
      EXPECT_TRUE(
          std::any_of(heads.begin(), heads.end(), [&](const auto& head) { return item.key().starts_with(head); }))
          << name << " " << item.key();
    }
  }
}

TEST(Yolo, LearnsOnePicture) {
  for (const std::string name : {"yolov5n", "yolov8n", "yolo26n"}) {
    torch::manual_seed(5);
    const auto model = small_yolo(name);
    auto pixels = torch::full({1, 3, 64, 64}, 0.2);
    pixels.slice(2, 8, 50).slice(3, 4, 40).fill_(0.9);
    torch::optim::Adam optimizer(model->parameters(), torch::optim::AdamOptions(1e-2));
    std::vector<double> sums;
    for (int step = 0; step < 60; ++step) {
      optimizer.zero_grad();
      auto sum = torch::zeros({});
      for (const auto& [of, loss] : model->losses(pixels, {}, one_target())) sum = sum + loss;
      sum.backward();
      optimizer.step();
      sums.push_back(sum.item<double>());
    }
    EXPECT_LT(sums.back(), 0.3 * sums.front()) << name;
    if (name != "yolov8n") continue;  // in pictures as small_yolo as these the others' heads see too few places
    model->eval();
    const auto found = model->find(pixels, {}, {.conf = 0.5})[0];
    ASSERT_GE(found.boxes.size(0), 1) << name;
    EXPECT_LT((found.boxes[0] - one_target().boxes[0]).abs().max().item<double>(), 6) << name << found.boxes[0];
    EXPECT_EQ(found.labels[0].item<int64_t>(), 0) << name;
  }
}

// ultralytics' non_max_suppression gives the same of these, with and without multi_label.
TEST(YoloChoose, ABoxIsItsBestClassOrEachThatItMayBe) {
  yolo::Predicted all;
  all.boxes = torch::tensor({{{0.F, 0.F, 40.F, 40.F}, {2.F, 2.F, 40.F, 40.F}, {60.F, 60.F, 90.F, 90.F}}});
  all.scores = torch::tensor({{{.9F, .6F, .0005F}, {.8F, .7F, .001F}, {.001F, 0.F, .5F}}});
  all.keypoints = torch::arange(3).to(torch::kFloat32).view({1, 3, 1, 1}).expand({1, 3, 1, 3});
  FindOptions options{.conf = .001};
  const auto best = yolo::choose(all, false, options, 100, 100).at(0);
  EXPECT_TRUE(best.labels.equal(torch::tensor({int64_t{0}, int64_t{2}})));
  EXPECT_TRUE(best.scores.equal(torch::tensor({.9F, .5F})));
  options.multi_label = true;
  // The second box loses as class 0 to the first, which as class 1 loses to it.
  const auto each = yolo::choose(all, false, options, 100, 100).at(0);
  EXPECT_TRUE(each.labels.equal(torch::tensor({int64_t{0}, int64_t{1}, int64_t{2}})));
  EXPECT_TRUE(each.scores.equal(torch::tensor({.9F, .7F, .5F})));
  EXPECT_TRUE(each.boxes.equal(all.boxes[0]));
  EXPECT_TRUE(each.keypoints.equal(all.keypoints[0])) << "what belongs to a box goes with it";
  options.most = 2;
  EXPECT_EQ(yolo::choose(all, false, options, 100, 100).at(0).labels.size(0), 2);
  options.conf = .65;
  EXPECT_EQ(yolo::choose(all, false, options, 100, 100).at(0).labels.size(0), 2);
}
