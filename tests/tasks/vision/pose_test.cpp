#include "hadal/tasks/vision/pose.h"

#include <cmath>

#include "hadal/tasks/vision/pose_judge.h"
#include "hadal/train/trainer.h"

#include "tests/support/support.h"
#include "tests/support/trained.h"

namespace hadal {
namespace {

Table pose_settings() {
  return {{"model", parse_toml("name = \"simplebaseline_resnet18\"\nheight = 64\nwidth = 64\nlayers = [1, 1, 1, 1]\n"
                               "deconv = [8, 8, 8]",
                               "test")},
          {"data", Table{{"kind", "shapes"}, {"size", 64}, {"min_size", 0.3}, {"train", 12}, {"val", 6}, {"test", 4}}},
          {"augment",
           parse_toml("degrees = 0\nscale = 0\ntranslate = 0\nhflip = 0\nhsv_h = 0\nhsv_s = 0\nhsv_v = 0", "test")},
          {"sigma", 1.0}};
}

std::unique_ptr<Task> make_pose(const Table& table, int64_t workers = 0) {
  TaskContext context;
  context.batch = 4;
  context.workers = workers;
  context.learns = true;
  return tasks().make({"pose", table}, context);
}

TrainConfig quiet_pose(int64_t epochs) {
  return {.epochs = epochs,
          .optimizer = {"adam", {{"lr", 1e-2}}},
          .precision = "fp32",
          .device = "cpu",
          .evaluate_every = static_cast<double>(epochs),
          .checkpoint_seconds = 0};
}

double value_of(const Metrics& metrics, const std::string& name) {
  for (const auto& [key, value] : metrics)
    if (key == name) return value;
  ADD_FAILURE() << "no score " << name;
  return NAN;
}

/// Two pictures of one mouse, whose tail is hidden in the first and missing in the second, and of one nobody marked.
class OneObject : public SceneData {
 public:
  OneObject() {
    about_.classes = {"mouse"};
    about_.keypoints = {"snout", "tail"};
    about_.sigmas = {0.05, 0.1};
  }
  int64_t size() const override { return 2; }
  Scene get(int64_t index, const SceneView&) const override {
    const auto t = truth(index);
    return {torch::zeros({80, 100, 3}, torch::kUInt8), t.boxes, t.labels, {}, t.keypoints, t.crowd, t.area};
  }
  SceneTruth truth(int64_t index) const override {
    SceneTruth out{.width = 100, .height = 80};
    out.boxes = torch::tensor({{10.0F, 10.0F, 60.0F, 50.0F}, {0.0F, 0.0F, 20.0F, 20.0F}});
    out.labels = torch::zeros({2}, torch::kInt64);
    out.keypoints = torch::tensor(
        {{{20.0F, 20.0F, 2.0F}, {50.0F, 40.0F, index == 0 ? 1.0F : 0.0F}}, {{0.0F, 0.0F, 0.0F}, {0.0F, 0.0F, 0.0F}}});
    out.crowd = torch::zeros({2}, torch::kBool);
    out.area = torch::tensor({2000.0F, 400.0F});
    return out;
  }
  std::string name(int64_t index) const override { return fmt::format("one[{}]", index); }
  const SceneAbout& about() const override { return about_; }

 private:
  SceneAbout about_;
};

std::unique_ptr<TrainedPose> untrained(const std::vector<std::string>& keypoints) {
  List names;
  for (const auto& name : keypoints) names.push_back(name);
  TrainedPoseConfig config;
  config.model = {"simplebaseline_resnet18", *pose_settings().find("model")->get_if<Table>()};
  config.model.settings.erase("name");
  return std::make_unique<TrainedPose>(config, Table{{"names", List{"mouse"}}, {"keypoints", names}}, Use{});
}

TEST(Pose, LearnsAndIsScored) {
  const auto task = make_pose(pose_settings());
  task->batches().set_epochs(8);
  struct Totals : Callback {
    void on_step(const StepEvent& event) override { values.push_back(event.losses[0].second); }
    std::vector<double> values;
  } seen;
  Trainer trainer(*task, quiet_pose(8));
  trainer.listen(seen);
  trainer.run();
  double first = 0, last = 0;
  for (size_t i = 0; i < 6; ++i) first += seen.values.at(i), last += seen.values.at(seen.values.size() - 1 - i);
  EXPECT_LT(last, 0.8 * first);
  std::vector<std::string> names, said;
  for (const auto& [name, value] : task->evaluate("val", 0)) {
    names.push_back(name);
    EXPECT_TRUE(std::isfinite(value)) << name;
  }
  for (const auto& score : task->scores()) said.push_back(score.name);
  EXPECT_EQ(names, said);
  EXPECT_EQ(task->goal(), "median_px");
  EXPECT_FALSE(task->higher_is_better("val/median_px"));
  EXPECT_TRUE(task->higher_is_better("val/within_15"));
  EXPECT_EQ(task->figures().size(), 3u);
}

TEST(Pose, TheLossesTellBatchesOfAnyThreads) {
  const auto losses = [](int64_t workers) {
    auto task = make_pose(pose_settings(), workers);
    task->batches().set_epochs(2);
    task->batches().start(1, 0);
    std::vector<double> out;
    while (task->batches().next()) out.push_back(task->losses({}).total.item<double>());
    return out;
  };
  EXPECT_EQ(losses(0), losses(3));
}

TEST(Pose, ItsWeightsAreEnough) {
  const test::TemporaryFolder folder;
  const auto task = make_pose(pose_settings());
  test::save_task(*task, "pose", folder / "w.safetensors");
  const auto pose = load_pose(folder / "w.safetensors");
  EXPECT_EQ(pose->about().keypoints, (std::vector<std::string>{"centre", "head", "tail", "left", "right"}));
  EXPECT_EQ(pose->about().swap, (std::vector<int64_t>{0, 1, 2, 4, 3}));
  EXPECT_EQ(pose->about().skeleton.size(), 4u);
  EXPECT_EQ(pose->preparation().height, 64);
  const auto scored = test::task_of_weights(folder / "w.safetensors");
  EXPECT_EQ(scored->evaluate("val", 0), task->evaluate("val", 0));
}

TEST(Pose, LooksIntoBoxesOrAtTheWholePicture) {
  auto table = pose_settings();
  table.set_path("data.max_objects", 1);
  const auto scores = [&](const char* box) {
    table.set("box", box);
    return make_pose(table)->evaluate("val", 0);
  };
  EXPECT_NE(scores("whole"), scores("points"));
  EXPECT_EQ(scores("data").size(), scores("whole").size());
}

TEST(Pose, GoesOnFromWeightsOfOtherPoints) {
  const test::TemporaryFolder folder;
  const auto before = untrained({"snout", "tail"});
  write_weights(folder / "w.safetensors", before->model(), {{"task", "pose"}});
  const auto weights = read_passport(folder / "w.safetensors");
  TaskContext context;
  context.batch = 4, context.workers = 0, context.learns = true, context.weights = &weights;
  const auto task = tasks().make({"pose", pose_settings()}, context);
  const auto now = task->model().named_parameters(), then = before->model().named_parameters();
  EXPECT_TRUE(torch::equal(now["backbone.conv1.weight"], then["backbone.conv1.weight"]));
  EXPECT_TRUE(torch::equal(now["head.deconv_layers.3.weight"], then["head.deconv_layers.3.weight"]));
  EXPECT_EQ(now["head.final_layer.weight"].size(0), 5);
}

TEST(Pose, SigmasMakeItCocosScores) {
  auto table = pose_settings();
  table.set("sigmas", List{0.1, 0.1, 0.1, 0.05, 0.05});
  const auto task = make_pose(table);
  EXPECT_EQ(task->goal(), "keypoint_AP");
  EXPECT_EQ(task->scores().size(), 15u);
  EXPECT_EQ(task->evaluate("val", 0).size(), 15u);
  EXPECT_EQ(task->learned().find("sigmas")->text(), "[0.1, 0.1, 0.1, 0.05, 0.05]");
  table.set("sigmas", List{0.1});
  EXPECT_ERROR(make_pose(table), "sigmas lists 1 and the data has 5 keypoints");
  table.set("sigmas", List{0.1, 0.1, 0.1, 0.05, 0.0});
  EXPECT_ERROR(make_pose(table), "sigmas");
}

TEST(Pose, IsScoredInADetectorsBoxesToo) {
  const test::TemporaryFolder folder;
  TrainedDetector detector({.model = {"yolov8n", {{"width", 0.125}}}, .names = {"circle", "dog"}, .size = 64}, {}, {});
  Table recipe{{"task", "detect"}};
  recipe.merge(write_config(detector.config()));
  write_weights(folder / "d.safetensors", detector.model(), recipe);
  auto table = pose_settings();
  const auto scores = [&](double conf) {
    table.set("predict", Table{{"detector", (folder / "d.safetensors").string()}, {"conf", conf}, {"most", 3}});
    return make_pose(table)->evaluate("val", 0);
  };
  EXPECT_EQ(value_of(scores(1), "within_15"), 0) << "nobody is found";
  EXPECT_TRUE(std::isnan(value_of(scores(1), "median_px")));
  EXPECT_GE(value_of(scores(0), "within_15"), 0);
}

TEST(Pose, WhatModelAndDataDoNotShareIsRefused) {
  auto table = pose_settings();
  table.set_path("model.keypoints", 3);
  EXPECT_ERROR(make_pose(table), "model.keypoints is 3 and there are 5 keypoints");
  table = pose_settings();
  table.set("names", List{"a", "b"});
  EXPECT_ERROR(make_pose(table), "names lists 2 classes and the data has 4");
  table = pose_settings();
  table.set("box", "boxes");
  EXPECT_ERROR(make_pose(table), "box = \"boxes\" is not known; known: data, points, whole");
  table = pose_settings();
  table.set("box", "whole");
  table.set_path("data.min_objects", 2);
  EXPECT_ERROR(make_pose(table), "box=whole wants one object a picture, and shapes/train[");
}

TEST(PoseKeypoints, AreMatchedByName) {
  EXPECT_EQ(match_keypoints({"tail", "snout"}, {"snout", "ear", "tail"}), (std::vector<int64_t>{2, 0}));
  EXPECT_EQ(match_keypoints({"a", "b"}, {"0", "1"}), (std::vector<int64_t>{0, 1})) << "as many, called otherwise";
  EXPECT_ERROR(match_keypoints({"snout", "tial"}, {"snout", "tail"}),
               "a keypoint \"tial\" that the model does not know; nearest: tail");
}

TEST(PoseJudge, ADetectorsBoxesAreMatchedWithTheObjects) {
  const auto data = std::make_shared<OneObject>();
  const auto pose = untrained({"snout", "tail"});
  PoseJudge judge(*pose, data, {0, 1}, data->about().sigmas);
  const auto at = [](float x, float y, std::array<float, 4> box) {
    return Detection{
        .name = "mouse", .score = 0.5, .box = box, .keypoints = torch::tensor({{x, y, 1.0F}, {50.0F, 40.0F, 1.0F}})};
  };
  // The nearer box has the object, whatever comes first; a second one is nobody's.
  judge.add(0, {at(90, 20, {10, 10, 60, 30}), at(20, 23, {10, 10, 60, 49})});
  judge.add(1, {at(20, 20, {70, 60, 90, 80})});
  const auto metrics = judge.metrics();
  EXPECT_EQ(value_of(metrics, "median_px"), 1.5) << "3 and 0 pixels; what was missed has no distance";
  EXPECT_NEAR(value_of(metrics, "within_15"), 2.0 / 3, 1e-9) << "and is not within any";
  // Pictures where nobody is found are scored too.
  PoseJudge nobody(*pose, data, {0, 1}, {});
  nobody.add(0, std::vector<Detection>{});
  EXPECT_EQ(value_of(nobody.metrics(), "within_15"), 0);
}

TEST(PoseJudge, ScoresByHand) {
  const auto data = std::make_shared<OneObject>();
  const auto pose = untrained({"tail", "snout"});  // in another order
  PoseJudge judge(*pose, data, match_keypoints(data->about().keypoints, pose->about().keypoints), data->about().sigmas);
  judge.add(0, torch::tensor({{{50.0F, 40.0F, 0.9F}, {23.0F, 24.0F, 0.8F}}}));  // the snout is 5 pixels off
  judge.add(1, torch::tensor({{{7.0F, 7.0F, 0.9F}, {20.0F, 50.0F, 0.8F}}}));    // 30 off; the tail is not there
  const auto metrics = judge.metrics();
  EXPECT_EQ(value_of(metrics, "median_px"), 5);
  EXPECT_NEAR(value_of(metrics, "rmse_px"), std::sqrt((25 + 900) / 3.0), 1e-9);
  EXPECT_NEAR(value_of(metrics, "within_15"), 2.0 / 3, 1e-9);
  EXPECT_NEAR(value_of(metrics, "pck50"), 2.0 / 3, 1e-9) << "30 of 50 is more than half of the longer side";
  EXPECT_NEAR(value_of(metrics, "pck10"), 1.0 / 3, 1e-9) << "5 of 50 is no less than a tenth";
  // OKS of the first (exp(-25 / .01 / 2000 / 2) + 1) / 2 = .768, of the second 0.
  EXPECT_NEAR(value_of(metrics, "keypoint_AP50"), 51.0 / 101, 1e-9);
  EXPECT_NEAR(value_of(metrics, "keypoint_AR"), 0.5 * 6 / 10, 1e-9) << "found at .50 to .75";
  EXPECT_EQ(PoseJudge::goal(data->about()), "keypoint_AP");
  EXPECT_EQ(PoseJudge::scores(data->about()).size(), 15u);
  ASSERT_EQ(judge.figures().size(), 3u);
  const auto table = std::get<TextFigure>(judge.figures()[2]);
  ASSERT_EQ(table.items.size(), 2u);
  EXPECT_EQ(table.items[0].caption, "snout");
  EXPECT_EQ(table.items[0].text,
            "median 17.50 px, RMSE 21.51 px, within 15 px 50.0 %, PCK@0.5 50.0 %, PCK@0.1 0.0 % of 2 points");
  EXPECT_ERROR(judge.add(0, torch::zeros({2, 2, 3})), "2 poses for 1 objects");
}

}  // namespace
}  // namespace hadal
