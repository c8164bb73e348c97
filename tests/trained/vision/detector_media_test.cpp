// Published detectors through the one door: what their own programs find, with their files alone.
#include "hadal/io/file.h"
#include "hadal/io/image.h"
#include "hadal/ops/rle.h"
#include "hadal/trained/vision/detection_answers.h"
#include "hadal/trained/vision/detector.h"

#include "tests/support/support.h"
#include "tests/support/trained.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Expected {
  const char* name;
  double score;
  std::array<double, 4> box;
  double pixels = 0;  // of its mask
};

fs::path weights_folder() { return test::data_folder().parent_path() / "weights"; }

/// Every expected one is there, within .02 of its score and 3 pixels of its box.
void expect_found(const json& line, const std::vector<Expected>& expected) {
  for (const auto& want : expected) {
    double nearest = INFINITY;
    for (const auto& d : line.at("detections")) {
      if (d.at("class") != want.name || std::abs(d.at("score").get<double>() - want.score) > 0.02) continue;
      double off = 0;
      for (size_t k = 0; k < 4; ++k) off = std::max(off, std::abs(d.at("box")[k].get<double>() - want.box[k]));
      if (want.pixels > 0) {
        const auto& mask = d.at("mask");
        const auto rle = rle_from_string(mask.at("counts").get<std::string>(), mask.at("size")[0], mask.at("size")[1]);
        if (std::abs(static_cast<double>(rle_area(rle)) / want.pixels - 1) > 0.005) off += 1000;
      }
      nearest = std::min(nearest, off);
    }
    EXPECT_LT(nearest, 3) << want.name << " " << want.score << " in " << line.dump().substr(0, 400);
  }
}

json found_by(const std::string& weights, const std::string& picture, const Table& options = {}) {
  const auto detector = open_trained(weights_folder() / weights);
  return test::predicted(*detector, {(weights_folder() / picture).string()}, {}, options).at(0);
}

TEST(PublishedDetectors, YoloFastestFindsTheDog) {
  NEEDS_DATA(weights_folder() / "yolo-fastest");
  const auto line = found_by("yolo-fastest/yolo-fastest-1.1.weights", "yolo-fastest/dog.jpg");
  expect_found(line, {{"car", .883, {454, 78, 684, 180}}, {"dog", .648, {122, 222, 365, 517}}});
}

TEST(PublishedDetectors, Yolov5FindsTheBus) {
  NEEDS_DATA(weights_folder() / "yolov5n");
  const auto line = found_by("yolov5n/yolov5n.pt", "yolov5n/bus.jpg");
  expect_found(line, {{"person", .876, {55, 398, 211, 889}},
                      {"person", .804, {683, 367, 811, 881}},
                      {"person", .787, {216, 409, 346, 865}},
                      {"person", .519, {-1, 573, 72, 893}},
                      {"bus", .492, {23, 228, 806, 781}}});
  EXPECT_EQ(line.at("detections").size(), 5u);
}

TEST(PublishedDetectors, Yolov8FindsBusAndDog) {
  NEEDS_DATA(weights_folder() / "yolov8n");
  const auto* file = "yolov8n/yolov8n-from-int8.pt";
  expect_found(found_by(file, "yolov5n/bus.jpg"), {{"person", .901, {671.1, 377.5, 808.7, 871.2}},
                                                   {"person", .901, {51.0, 398.7, 244.9, 902.4}},
                                                   {"person", .877, {224.1, 405.5, 341.7, 857.3}},
                                                   {"person", .292, {0.7, 553.3, 64.2, 873.3}},
                                                   {"bus", .882, {22.3, 230.8, 802.1, 748.2}},
                                                   {"stop sign", .291, {0.5, 254.2, 31.9, 325.4}}});
  expect_found(found_by(file, "yolo-fastest/dog.jpg"), {{"dog", .943, {131.9, 221.0, 308.4, 541.4}},
                                                        {"bicycle", .829, {130.8, 141.5, 566.7, 418.2}},
                                                        {"truck", .641, {469.9, 76.9, 692.4, 172.5}},
                                                        {"car", .590, {467.1, 76.4, 693.8, 171.7}}});
}

TEST(PublishedDetectors, Yolov8SegmentsTheBus) {
  NEEDS_DATA(weights_folder() / "yolov8n-seg");
  expect_found(found_by("yolov8n-seg/yolov8n-seg-from-int8.pt", "yolov5n/bus.jpg"),
               {{"person", .883, {673.6, 390.9, 808.9, 876.3}, 22422},
                {"person", .850, {50.0, 395.0, 241.7, 900.5}, 52406},
                {"person", .834, {223.4, 407.4, 342.4, 861.9}, 34018},
                {"bus", .791, {0.9, 220.0, 804.6, 740.4}, 260720},
                {"person", .280, {1.4, 548.1, 73.0, 874.4}, 11775}});
}

TEST(PublishedDetectors, Yolo11FindsThePeoplesPoints) {
  NEEDS_DATA(weights_folder() / "yolo11n-pose");
  const auto line = found_by("yolo11n-pose/yolo11n-pose-from-int8.pt", "yolov5n/bus.jpg");
  expect_found(line, {{"person", .898, {48.5, 398.8, 239.8, 902.5}},
                      {"person", .885, {669.2, 390.5, 808.7, 876.9}},
                      {"person", .879, {224.5, 407.2, 342.4, 856.9}},
                      {"person", .407, {0.9, 468.3, 74.4, 885.9}}});
  const auto& points = line.at("detections")[0].at("keypoints");
  ASSERT_EQ(points.size(), 17u);
  EXPECT_NEAR(points[0][0].get<double>(), 141.5, 3);
  EXPECT_NEAR(points[0][1].get<double>(), 439.0, 3);
  EXPECT_NEAR(points[15][0].get<double>(), 183.4, 3);
  EXPECT_NEAR(points[15][1].get<double>(), 838.8, 3);
  const auto about = load_detector(weights_folder() / "yolo11n-pose/yolo11n-pose-from-int8.pt")->about();
  EXPECT_EQ(about.keypoints[15], "left_ankle");
  EXPECT_EQ(about.skeleton.size(), 19u);
  EXPECT_EQ(about.swap[15], 16);
}

/// A small net of random weights, for what needs no training.
std::unique_ptr<TrainedDetector> small(const std::string& model = "yolov8n", Table more = {}) {
  more.set("name", model);
  more.set("width", 0.125);
  DetectorConfig config{.model = {model, {{"width", 0.125}}}, .names = {"cat", "dog"}, .size = 64};
  config.predict.conf = 0;
  config.predict.most = 7;
  return std::make_unique<TrainedDetector>(config, Table{}, Use{.batch = 2});
}

TEST(TrainedDetector, AnswersDoNotDependOnNeighbours) {
  const auto detector = small();
  Random random(1);
  std::vector<Tensor> images;
  for (const auto& [h, w] : {std::pair{48, 64}, {64, 48}, {48, 64}, {1, 1}, {200, 3}})
    images.push_back(torch::randint(0, 256, {h, w, 3}, torch::kUInt8));
  const auto all = detector->find(images, detector->config().predict);
  ASSERT_EQ(all.size(), images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    const auto alone = detector->find({&images[i], 1}, detector->config().predict).at(0);
    EXPECT_LT(test::relative_error(all[i].scores, alone.scores), 1e-4) << i;
    const auto size = size_of(images[i]);
    EXPECT_LE(alone.boxes.select(1, 2).max().item<float>(), static_cast<float>(size.width));
    EXPECT_LE(alone.boxes.select(1, 3).max().item<float>(), static_cast<float>(size.height));
  }
}

TEST(TrainedDetector, WritesWhatIsAskedFor) {
  const test::TemporaryFolder folder;
  write_image(folder / "7.png", torch::randint(0, 256, {40, 60, 3}, torch::kUInt8));
  write_file(folder / "broken.jpg", "\xFF\xD8\xFF\xE0 and no more");
  const auto detector = small();
  const auto lines = test::predicted(*detector, {(folder / "7.png").string(), (folder / "broken.jpg").string()}, {},
                                     {{"save", List{"png", "txt", "coco"}}}, folder / "out", true);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].at("detections").size(), 7u);
  EXPECT_TRUE(lines[1].contains("error"));
  EXPECT_TRUE(fs::exists(folder / "out/pictures/7.png"));
  const auto labels = read_file(folder / "out/7.txt");
  EXPECT_EQ(std::count(labels.begin(), labels.end(), '\n'), 7);
  const auto results = json::parse(read_file(folder / "out/coco.json"));
  ASSERT_EQ(results.size(), 7u);
  EXPECT_EQ(results[0]["image_id"], 7);
  EXPECT_EQ(results[0]["bbox"].size(), 4u);
  EXPECT_EQ(results[0]["file_name"], "7.png");
  for (const auto& result : results) EXPECT_THAT(result["category_id"].get<int>(), testing::AnyOf(1, 2));
  EXPECT_ERROR(test::predicted(*detector, {}, {}, {{"save", List{"pdf"}}}), "predict.save = \"pdf\" is not known");
}

TEST(TrainedDetector, FollowsObjectsThroughFrames) {
  DetectorConfig config{.model = {"yolov8n", {{"width", 0.125}}}, .names = {"thing"}, .size = 64};
  TrainedDetector detector(config, Table{}, Use{.batch = 2});
  torch::NoGradGuard no_grad;
  for (auto& parameter : detector.model().named_parameters())
    if (parameter.key().find(".cv3.") != std::string::npos && parameter.value().numel() == 1)
      parameter.value().fill_(2);  // sure of everything
  const auto image = torch::randint(0, 256, {48, 64, 3}, torch::kUInt8);
  const auto ids = [&](std::span<const Input> inputs, const Table& options) {
    std::vector<std::vector<int64_t>> out;
    for (const auto& answer : detector.predict(inputs, options)) {
      out.emplace_back();
      for (const auto& d : answer.json.at("detections")) out.back().push_back(d.value("id", int64_t{-1}));
      std::sort(out.back().begin(), out.back().end());  // boxes that are cut at the picture's sides are all the same
    }
    return out;
  };
  std::vector<Input> frames;
  for (int64_t t = 0; t < 3; ++t) frames.push_back({"a.mp4", {}, image, t, 0.1 * static_cast<double>(t)});
  const Table track{{"track", true}, {"most", 5}};
  const auto first = ids({frames.data(), 2}, track).at(0);
  ASSERT_GT(first.size(), 1u);
  EXPECT_EQ(first[0], 1);
  EXPECT_EQ(ids({frames.data() + 2, 1}, track).at(0), first) << "the next call goes on with the video";
  EXPECT_EQ(ids({frames.data(), 2}, track).at(1), first) << "frame 0 begins another";
  EXPECT_EQ(ids(frames, {}).at(0).at(0), -1);
}

TEST(PublishedDetectors, Yolo11FollowsThePeoplesPoints) {
  NEEDS_DATA(weights_folder() / "yolo11n-pose");
  const test::TemporaryFolder folder;
  const auto bus = read_image(weights_folder() / "yolov5n/bus.jpg");
  VideoWriter writer(folder / "bus.mp4", 10);
  for (int64_t t = 0; t < 3; ++t) writer.add(bus.slice(0, 200, 1000).slice(1, 4 * t, 780 + 4 * t));
  writer.close();
  const auto detector = open_trained(weights_folder() / "yolo11n-pose/yolo11n-pose-from-int8.pt");
  const auto lines =
      test::predicted(*detector, {(folder / "bus.mp4").string()}, {}, {{"track", true}}, folder / "out", true);
  ASSERT_EQ(lines.size(), 3u);
  for (int64_t t = 0; t < 3; ++t) {
    const auto& line = lines[static_cast<size_t>(t)];
    EXPECT_EQ(line.at("frame"), t);
    std::map<int64_t, double> left;
    for (const auto& d : line.at("detections")) left[d.at("id").get<int64_t>()] = d.at("box")[0];
    for (const auto& d : lines[0].at("detections")) {
      const auto id = d.at("id").get<int64_t>();
      ASSERT_TRUE(left.contains(id)) << "frame " << t << " has lost " << id;
      if (d.at("box")[0].get<double>() > 20) EXPECT_NEAR(left[id], d.at("box")[0].get<double>() - 4.0 * t, 5);
    }
  }
  EXPECT_GE(lines[0].at("detections").size(), 3u);
  const auto table = read_file(folder / "out/points.csv");
  EXPECT_TRUE(table.starts_with("input,frame,time,id,class,")) << table.substr(0, 80);
  EXPECT_THAT(table, testing::HasSubstr("bus.mp4,2,0.2,1,person,"));
}

TEST(TrainedDetector, LargePicturesAreLookedAtInTiles) {
  const auto detector = small();
  const auto image = torch::randint(0, 256, {100, 150, 3}, torch::kUInt8);
  auto options = detector->config().predict;
  options.tile = 64;
  const auto found = detector->find({&image, 1}, options).at(0);
  EXPECT_GT(found.boxes.select(1, 2).max().item<float>(), 64) << "beyond the first tile";
  // One that was trained in tiles does so by itself, and a picture that needs none is looked at whole.
  auto config = detector->config();
  config.tile = 64;
  TrainedDetector cut(config, Table{}, Use{.batch = 2});
  EXPECT_TRUE(cut.find({&image, 1}, config.predict).at(0).boxes.equal(found.boxes));
  const auto small_image = image.slice(0, 0, 60).slice(1, 0, 64);
  options.tile = 0;
  EXPECT_TRUE(cut.find({&small_image, 1}, config.predict)
                  .at(0)
                  .boxes.equal(detector->find({&small_image, 1}, options).at(0).boxes));
  EXPECT_ERROR(test::predicted(cut, {}, {}, {{"overlap", -0.1}}), "overlap (-0.1) must be from 0 to below 1");
}

TEST(TrainedDetector, KeepsTheNumbersOfItsDatasCategories) {
  DetectorConfig config{.model = {"yolov8n", {{"width", 0.125}}}, .size = 64};
  const SceneAbout data{.classes = {"cat", "dog"}, .categories = {5, 17}};
  const TrainedDetector detector(config, write_config(DetectorLearned::of(data)), Use{.batch = 2});
  const auto results =
      json::parse("[" + coco_results("in/a.jpg", {{.label = 1}, {.label = 0}}, detector.about()) + "]");
  EXPECT_EQ(results[0]["category_id"], 17);
  EXPECT_EQ(results[1]["category_id"], 5);
  EXPECT_EQ(results[0]["image_id"], "a");
  EXPECT_EQ(results[0]["file_name"], "a.jpg");
  EXPECT_EQ(json::parse(coco_results("000000000139.jpg", {{.label = 2}}, {}))["image_id"], 139);
  EXPECT_EQ(json::parse(coco_results("000000000139.jpg", {{.label = 2}}, {}))["category_id"], 3);
}

TEST(PublishedDetectors, OfCocosClassesHaveCocosNumbers) {
  NEEDS_DATA(weights_folder() / "yolo-fastest");
  const auto detector = load_detector(weights_folder() / "yolo-fastest/yolo-fastest-1.1.weights");
  ASSERT_EQ(detector->about().categories.size(), 80u);
  EXPECT_EQ(detector->about().categories[16], 18);  // dog
}

}  // namespace
}  // namespace hadal
