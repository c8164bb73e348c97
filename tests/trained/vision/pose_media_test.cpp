// A model of poses as it is used: pictures and videos in, points, tables and pictures out; transformers' folder.
#include "hadal/io/file.h"
#include "hadal/io/image.h"
#include "hadal/io/safetensors.h"
#include "hadal/io/weights.h"
#include "hadal/trained/vision/pose_answers.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"
#include "tests/support/trained.h"

namespace hadal {
namespace {

using nlohmann::json;

std::unique_ptr<TrainedPose> small() {
  TrainedPoseConfig config;
  config.model = {"simplebaseline_resnet18",
                  parse_toml("height = 32\nwidth = 64\nlayers = [1, 1, 1, 1]\ndeconv = [8, 8, 8]", "test")};
  const Table learned{{"names", List{"mouse"}},
                      {"keypoints", List{"snout", "left_ear", "right_ear"}},
                      {"skeleton", List{List{Value(0), Value(1)}}},
                      {"swap", List{Value(0), Value(2), Value(1)}}};
  auto made = std::make_unique<TrainedPose>(config, learned, Use{.batch = 2});
  made->model().eval();
  return made;
}

Tensor noise(int64_t height, int64_t width) {
  torch::manual_seed(3);
  return torch::randint(0, 256, {height, width, 3}, torch::kUInt8);
}

/// Weights of a detector that was never trained, of one class.
std::string untrained_detector(const test::TemporaryFolder& folder) {
  const DetectorConfig config{.model = {"yolov8n", {{"width", 0.125}}}, .names = {"cat", "mouse"}, .size = 64};
  TrainedDetector detector(config, {}, {});
  Table recipe{{"task", "detect"}};
  recipe.merge(write_config(detector.config()));
  write_weights(folder / "detector.safetensors", detector.model(), recipe);
  return (folder / "detector.safetensors").string();
}

std::vector<Detection> two_mice() {
  const auto points = torch::tensor({{1.0F, 2.0F, 0.9F}, {3.0F, 4.0F, 0.1F}});
  return {{.name = "mouse", .score = 1, .box = {0, 0, 9, 9}, .keypoints = points},
          {.name = "mouse", .score = 1, .box = {0, 0, 9, 9}, .keypoints = points + 10}};
}

TEST(TrainedPose, WithoutADetectorThePictureIsOneObject) {
  const test::TemporaryFolder folder;
  write_image(folder / "a.png", noise(40, 90));
  const auto pose = small();
  const auto line =
      test::predicted(*pose, {(folder / "a.png").string()}, {}, {{"save", List{"png", "txt"}}}, folder / "out", true)
          .at(0);
  ASSERT_EQ(line.at("detections").size(), 1u);
  const auto& found = line["detections"][0];
  EXPECT_EQ(found.at("class"), "mouse");
  EXPECT_EQ(found.at("box"), json({0, 0, 90, 40}));
  ASSERT_EQ(found.at("keypoints").size(), 3u);
  for (const auto& point : found["keypoints"]) EXPECT_EQ(point.size(), 3u);
  EXPECT_TRUE(std::filesystem::exists(folder / "out/pictures/a.png"));
  EXPECT_TRUE(std::filesystem::exists(folder / "out/a.txt"));
  // The program's own way says the same.
  const auto own = (*pose)(noise(40, 90)).at(0).keypoints;
  EXPECT_NEAR(own[0][0].item<double>(), found["keypoints"][0][0].get<double>(), 1e-3);
}

TEST(TrainedPose, PointsMoveWithTheirBoxes) {
  // The same pixels elsewhere in a larger picture give the same points, so much further.
  const auto pose = small();
  const auto picture = noise(40, 60);
  auto larger = torch::zeros({100, 160, 3}, torch::kUInt8);
  larger.slice(0, 30, 70).slice(1, 50, 110).copy_(picture);
  const std::vector<PosedBox> here = {{.box = {10, 10, 50, 30}, .padding = 1}},
                              there = {{.box = {60, 40, 100, 60}, .padding = 1}};
  const auto options = pose->config().predict;
  const auto a = pose->find(picture, here, options), b = pose->find(larger, there, options);
  EXPECT_LT((b - a - torch::tensor({50.0F, 30.0F, 0.0F})).abs().max().item<double>(), 1e-3);
  // Batches of two and single ones say the same.
  const std::vector<PosedBox> three = {here[0], {.box = {0, 0, 30, 30}}, here[0]};
  const auto all = pose->find(picture, three, options);
  EXPECT_LT((all[2] - a[0]).abs().max().item<double>(), 1e-3);
  EXPECT_EQ(pose->find(picture, {}, options).sizes(), (std::vector<int64_t>{0, 3, 3}));
}

TEST(TrainedPose, TheMirrorSeesTheSameFromTheOtherSide) {
  // With the flip test a mirrored picture's points are the picture's, mirrored and with sides changed.
  const auto pose = small();
  const auto picture = noise(32, 64);
  const std::vector<PosedBox> all = {{.box = {0, 0, 64, 32}, .padding = 1}};
  auto options = pose->config().predict;
  options.flip_test = true, options.decode = "plain";
  const auto a = pose->find(picture, all, options)[0];
  const auto b = pose->find(picture.flip(1).contiguous(), all, options)[0];
  for (const auto& [k, twin] : {std::pair<int64_t, int64_t>{0, 0}, {1, 2}, {2, 1}})
    EXPECT_NEAR(a[k][2].item<double>(), b[twin][2].item<double>(), 0.2 * a[k][2].item<double>() + 1e-4) << k;
  options.flip_test = false;
  EXPECT_FALSE(torch::equal(a, pose->find(picture, all, options)[0]));
}

TEST(TrainedPose, ADetectorThatFindsNobodySaysSo) {
  const test::TemporaryFolder folder;
  const auto detector = untrained_detector(folder);
  write_image(folder / "a.png", noise(64, 64));
  const auto pose = small();
  const auto ask = [&](Table options) {
    options.set("detector", detector);
    return test::predicted(*pose, {(folder / "a.png").string()}, {}, options).at(0);
  };
  const auto nobody = ask({{"conf", 1.0}});
  EXPECT_EQ(nobody.at("detections").size(), 0u);
  EXPECT_EQ(nobody.at("note"), "the detector found nobody");
  const auto some = ask({{"conf", 0.0}, {"most", 2}});
  ASSERT_EQ(some.at("detections").size(), 2u);
  EXPECT_FALSE(some.contains("note"));
  for (const auto& found : some["detections"]) {
    EXPECT_EQ(found.at("class"), "mouse") << "a cat is none of the model's";
    EXPECT_EQ(found.at("keypoints").size(), 3u);
  }
  EXPECT_ERROR(test::predicted(*pose, {(folder / "a.png").string()}, {}, {{"track", true}}),
               "predict.track follows a detector's objects: give detector=RUN or weights");
  EXPECT_ERROR(test::predicted(*pose, {(folder / "a.png").string()}, {}, {{"detector", (folder / "no").string()}}),
               "no");
}

TEST(PoseAnswers, TablesAreDeepLabCuts) {
  const SceneAbout about{.keypoints = {"snout", "tail, base"}};
  EXPECT_EQ(deeplabcut_head(about, 1),
            "scorer,hadal,hadal,hadal,hadal,hadal,hadal\n"
            "bodyparts,snout,snout,snout,\"tail, base\",\"tail, base\",\"tail, base\"\n"
            "coords,x,y,likelihood,x,y,likelihood\n");
  EXPECT_THAT(deeplabcut_head(about, 2),
              testing::HasSubstr("\nindividuals,individual1,individual1,individual1,individual1,individual1,"
                                 "individual1,individual2,"));
  auto mice = two_mice();
  EXPECT_EQ(deeplabcut_row(7, mice, 2, 1), "7,1.00,2.00,0.9000,3.00,4.00,0.1000\n");
  EXPECT_EQ(deeplabcut_row(7, {}, 2, 1), "7,,,,,,\n");
  EXPECT_EQ(deeplabcut_row(0, {mice[0]}, 2, 2), "0,1.00,2.00,0.9000,3.00,4.00,0.1000,,,,,,\n");
  mice[0].id = 2, mice[1].id = 1;  // who was followed stays in their columns
  EXPECT_THAT(deeplabcut_row(0, mice, 2, 2, {1, 2}), testing::StartsWith("0,11.00,12.00,10.9000,"));
  EXPECT_EQ(deeplabcut_row(0, {mice[0]}, 2, 2, {-1, 2}), "0,,,,,,,1.00,2.00,0.9000,3.00,4.00,0.1000\n");
}

TEST(PoseAnswers, AVideosFramesGoIntoOneTable) {
  const SceneAbout about{.classes = {"mouse"}, .keypoints = {"snout", "tail"}};
  const Input frame{.name = "box/open field.mp4", .frame = 3, .time = 0.1};
  const auto endings = [&](const Input& input, const PoseOptions& options) {
    std::string out;
    for (const auto& file : pose_files(input, noise(20, 20), two_mice(), about, options)) out += file.ending + " ";
    return out;
  };
  EXPECT_EQ(endings(frame, {}), ".png -points.csv ");
  EXPECT_EQ(endings(frame, {.detector = "d", .most = 2}), ".png -points.csv ");
  EXPECT_EQ(endings(frame, {.detector = "d"}), ".png points.csv ");
  EXPECT_EQ(endings({.name = "a.png"}, {}), ".png ");
}

TEST(TrainedPose, TransformersFolderIsEnough) {
  const auto reference = read_safetensors(test::golden("pose.safetensors"));
  const auto about = json::parse(reference.metadata.at("vitpose_simple"));
  const test::TemporaryFolder folder;
  NamedTensors weights;
  for (const auto& entry : about["weights"]) {
    const auto name = entry[0].get<std::string>();
    weights.entries.emplace_back(name, test::weight(name, entry[1].get<std::vector<int64_t>>()));
  }
  write_safetensors(folder / "model.safetensors", weights);
  auto config = json::parse(reference.metadata.at("vitpose_simple/config"));
  config["architectures"] = {"VitPoseForPoseEstimation"};
  config["id2label"] = {{"0", "Nose"}, {"1", "L_Eye"}, {"2", "R_Eye"}, {"3", "L_Ear"}, {"4", "R_Ear"}};
  config["edges"] = {{0, 1}, {0, 2}, {0, 9}};
  write_file(folder / "config.json", config.dump());
  const auto opened = open_trained(folder.path());
  auto& pose = dynamic_cast<TrainedPose&>(*opened);
  EXPECT_EQ(pose.about().keypoints[1], "L_Eye");
  EXPECT_EQ(pose.about().swap, (std::vector<int64_t>{0, 2, 1, 4, 3}));
  EXPECT_EQ(pose.about().skeleton.size(), 2u);
  EXPECT_TRUE(pose.preparation().unbiased);
  const torch::NoGradGuard no_grad;
  pose.model().eval();
  const auto maps = pose.model().forward(test::uniform("pixels", {3, 3, 64, 48}, std::sqrt(3.0)));
  EXPECT_LT(test::relative_error(maps, reference.at("vitpose_simple/maps")), 1e-4);
}

}  // namespace
}  // namespace hadal
