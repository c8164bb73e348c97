// What pose makes of labels that are not as they should be.
#include <numeric>

#include "hadal/data/vision/scenes/pose_batch.h"
#include "hadal/data/vision/scenes/sources.h"
#include "hadal/io/file.h"
#include "hadal/io/image.h"
#include "hadal/tasks/task.h"
#include "hadal/tasks/vision/pose_judge.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

class PoseData : public testing::Test {
 protected:
  /// A COCO file of pictures of 60 x 40 whose mouse has these keypoints.
  void write(const std::vector<std::string>& keypoints, const std::string& skeleton = "[[1, 2]]") {
    std::string images, objects;
    for (size_t i = 0; i < keypoints.size(); ++i) {
      const auto comma = i == 0 ? "" : ", ";
      write_image(folder_ / fmt::format("{}.png", i), torch::full({40, 60, 3}, 90, torch::kUInt8));
      images += fmt::format("{}{{\"id\": {}, \"file_name\": \"{}.png\", \"width\": 60, \"height\": 40}}", comma, i, i);
      objects += fmt::format(
          "{}{{\"id\": {}, \"image_id\": {}, \"category_id\": 1, \"bbox\": [5, 5, 50, 30], \"area\": 1500, "
          "\"iscrowd\": 0,"
          " \"keypoints\": {}}}",
          comma, i + 1, i, keypoints[i]);
    }
    write_file(
        folder_ / "train.json",
        fmt::format("{{\"images\": [{}], \"annotations\": [{}], \"categories\": [{{\"id\": 1, \"name\": \"mouse\","
                    " \"keypoints\": [\"snout\", \"tail\"], \"skeleton\": {}}}]}}",
                    images, objects, skeleton));
  }
  std::unique_ptr<Task> make(Table more = {}) const {
    Table table{{"model", parse_toml("name = \"simplebaseline_resnet18\"\nheight = 32\nwidth = 32\n"
                                     "layers = [1, 1, 1, 1]\ndeconv = [8, 8, 8]",
                                     "test")},
                {"data", Table{{"kind", "coco"}, {"path", folder_.path().string()}}}};
    table.merge(more);
    TaskContext context;
    context.batch = 2, context.workers = 0, context.learns = true;
    return tasks().make({"pose", table}, context);
  }
  test::TemporaryFolder folder_;
};

TEST_F(PoseData, APointOutsideItsPictureIsSaidAndLeftOut) {
  write({"[10, 10, 2, 20, 20, 2]", "[10, 10, 2, 70, 20, 2]"});
  const auto task = make();
  EXPECT_THAT(task->summary(), testing::HasSubstr("2 training objects; 1 errors"));
  task->batches().start(0, 0);
  ASSERT_TRUE(task->batches().next());
  EXPECT_TRUE(std::isfinite(task->losses({}).total.item<double>()));
  // Three points are scored: the one outside is as if it were missing.
  double within = -1;
  for (const auto& [name, value] : task->evaluate("train", 0))
    if (name == "within_15") within = value * 3;
  EXPECT_NEAR(within, std::round(within), 1e-9);
}

TEST_F(PoseData, ASkeletonThatNamesAPointThatIsNotThere) {
  write({"[10, 10, 2, 20, 20, 2]"}, "[[1, 2], [1, 3]]");
  const auto task = make();
  EXPECT_THAT(task->summary(), testing::HasSubstr("1 errors"));
  EXPECT_EQ(task->learned().find("skeleton")->text(), "[[0, 1]]");
}

TEST_F(PoseData, WithoutAPointThatIsThereThereIsNothingToLearn) {
  write({"[0, 0, 0, 0, 0, 0]", "[10, 10, 0, 20, 20, 0]"});
  EXPECT_ERROR(make(), "no object of the training split has a keypoint that is there: all are hidden or missing");
  write({"[10, 10, 1, 20, 20, 1]"});  // hidden by something, and marked
  EXPECT_NO_THROW(make());
}

TEST_F(PoseData, PicturesWithOtherNumbersOfPoints) {
  write({"[10, 10, 2, 20, 20, 2]", "[10, 10, 2]"});
  EXPECT_ERROR(make(), "1 keypoints; the category has 2");
}

TEST(PoseRealData, TheTruthOfPeopleIsFoundInWhole) {
  const auto path = test::data_folder() / "coco-minis/test_coco.json";
  NEEDS_DATA(path);
  const auto source = scene_sources().make({"auto", {{"path", path.string()}}});
  const std::shared_ptr<SceneData> data = source.open(source.splits.at(0));
  TrainedPoseConfig config;
  config.model.settings = parse_toml("layers = [1, 1, 1, 1]\ndeconv = [8, 8, 8]", "test");
  const TrainedPose pose(config, write_config(DetectorLearned::of(source.about)), Use{});
  std::vector<int64_t> order(17);
  std::iota(order.begin(), order.end(), 0);
  PoseJudge judge(pose, data, order, source.about.sigmas);
  size_t people = 0;
  for (int64_t i = 0; i < data->size(); ++i) {
    const auto truth = data->truth(i);
    std::vector<Tensor> points;
    for (const auto object : posed_objects(truth)) points.push_back(truth.keypoints[object]);
    people += points.size();
    judge.add(i, points.empty() ? torch::zeros({0, 17, 3}) : torch::stack(points));
  }
  EXPECT_EQ(pose_samples(*data, PoseBox::data).size(), people);
  EXPECT_GT(people, 10u);
  for (const auto& [name, value] : judge.metrics()) EXPECT_NEAR(value, name.ends_with("_px") ? 0 : 1, 1e-9) << name;
}

TEST_F(PoseData, DataWithoutKeypoints) {
  write({"[10, 10, 2, 20, 20, 2]"});
  auto text = read_file(folder_ / "train.json");
  text.erase(text.find(", \"keypoints\": [\"snout\""), std::string(", \"keypoints\": [\"snout\", \"tail\"]").size());
  text.erase(text.find(", \"skeleton\""), std::string(", \"skeleton\": [[1, 2]]").size());
  text.erase(text.find(", \"keypoints\": [10"), std::string(", \"keypoints\": [10, 10, 2, 20, 20, 2]").size());
  write_file(folder_ / "train.json", text);
  EXPECT_ERROR(make(), "the data (coco) has no keypoints");
}

}  // namespace
}  // namespace hadal
