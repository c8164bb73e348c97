// Poses through the verbs: a DeepLabCut project checked, trained on, scored; a video's table.
#include <sstream>

#include <nlohmann/json.hpp>

#include "hadal/io/image.h"
#include "hadal/io/video.h"

#include "tests/cli/tiny.h"

namespace hadal {
namespace {

using nlohmann::json;
using test::expect_mistake;
using test::Ran;

class Poses : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<test::TemporaryFolder>();
    write_project();
    trained_ = run({"train", "pose", "data=project", "val=0.25", "box=whole", "model=simplebaseline_resnet18",
                    "model.height=32", "model.width=64", "model.layers=1,1,1,1", "model.deconv=8,8,8", "epochs=2",
                    "train.batch=3", "evaluate_every=1", "precision=fp32", "workers=0", "threads=1", "out=run"});
  }
  static void TearDownTestSuite() { folder_.reset(); }
  static void write_project() {
    write_file(
        *folder_ / "project/config.yaml",
        "Task: reach\nscorer: Me\nbodyparts:\n- snout\n- leftear\n- rightear\nskeleton:\n- - snout\n  - leftear\n");
    std::string table =
        "scorer,Me,Me,Me,Me,Me,Me\nbodyparts,snout,snout,leftear,leftear,rightear,rightear\ncoords,x,y,x,y,x,y\n";
    for (int i = 0; i < 8; ++i) {
      write_image(*folder_ / fmt::format("project/labeled-data/clip/img{}.png", i),
                  torch::full({40, 80, 3}, 20 * i + 50, torch::kUInt8));
      table += fmt::format("labeled-data/clip/img{}.png,{},10,30,20,,\n", i, 10 + i);
    }
    write_file(*folder_ / "project/labeled-data/clip/CollectedData_Me.csv", table);
  }
  static Ran run(const std::vector<std::string>& arguments) { return test::run_program(arguments, folder_->path()); }
  static inline std::unique_ptr<test::TemporaryFolder> folder_;
  static inline Ran trained_;
};

TEST_F(Poses, AProjectIsCheckedAndTrainedByItsTasksNameAlone) {
  const auto checked = run({"check", "data=project"});
  EXPECT_EQ(checked.code, 0) << checked.out << checked.err;
  EXPECT_THAT(checked.out, testing::HasSubstr("deeplabcut"));
  ASSERT_EQ(trained_.code, 0) << trained_.err;
  EXPECT_THAT(trained_.out, testing::HasSubstr("val/median_px"));
  const auto config = read_file(*folder_ / "run/config.toml");
  for (const auto* part : {"[learned]", "keypoints = [\"snout\", \"leftear\", \"rightear\"]", "swap = [0, 2, 1]"})
    EXPECT_THAT(config, testing::HasSubstr(part));
  const auto report = read_file(*folder_ / "run/report.html");
  for (const auto* part : {"Truth, and what was found", "How many points come how near", "Each point"})
    EXPECT_THAT(report, testing::HasSubstr(part));
}

TEST_F(Poses, PredictAndEvalWantNothingButTheRun) {
  ASSERT_EQ(trained_.code, 0) << trained_.err;
  auto ran = run({"predict", "run", "project/labeled-data/clip/img3.png", "out=found"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto line = json::parse(ran.out);
  ASSERT_EQ(line.at("detections").size(), 1u);
  EXPECT_EQ(line["detections"][0].at("keypoints").size(), 3u);
  EXPECT_EQ(line["detections"][0].at("class"), "animal");
  EXPECT_TRUE(std::filesystem::exists(*folder_ / "found/pictures/img3.png"));
  ran = run({"eval", "run", "split=val", "out=scores"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(json::parse(read_file(*folder_ / "scores/metrics.json")).contains("val/within_15"));
}

TEST_F(Poses, AVideoGivesDeepLabCutsTable) {
  ASSERT_EQ(trained_.code, 0) << trained_.err;
  for (const auto* name : {"open field.mp4", "other/open field.mp4"}) {
    std::filesystem::create_directories((*folder_ / name).parent_path());
    VideoWriter writer(*folder_ / name, 25);
    for (int64_t i = 0; i < 5; ++i) writer.add(torch::full({40, 80, 3}, 30 * i, torch::kUInt8));
    writer.close();
  }
  const auto ran = run({"predict", "run", "open field.mp4", "other/open field.mp4", "out=video"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(read_file(*folder_ / "video/open field-points.csv"), read_file(*folder_ / "video/open field-points-2.csv"))
      << "each video has its own";
  std::istringstream table(read_file(*folder_ / "video/open field-points.csv"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(table, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 8u);
  EXPECT_EQ(lines[0], "scorer,hadal,hadal,hadal,hadal,hadal,hadal,hadal,hadal,hadal");
  EXPECT_EQ(lines[2], "coords,x,y,likelihood,x,y,likelihood,x,y,likelihood");
  EXPECT_THAT(lines[7], testing::StartsWith("4,"));
  EXPECT_TRUE(std::filesystem::exists(*folder_ / "video/open field.mp4"));
}

TEST_F(Poses, MistakesAreSaidBeforeTheTraining) {
  expect_mistake(run({"train", "pose", "data=project", "box=boxes"}), 2, "known: data, points, whole");
  expect_mistake(run({"train", "pose", "data=project", "model=resnet18"}), 2, "resnet18");
  expect_mistake(run({"predict", "run", "project/labeled-data/clip/img3.png", "detector=nowhere"}), 2, "nowhere");
  expect_mistake(run({"predict", "run", "project/labeled-data/clip/img3.png", "detector=run"}), 2,
                 "run is not for detect");
}

}  // namespace
}  // namespace hadal
