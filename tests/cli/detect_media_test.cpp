// Training without a recipe, and a detector through the verbs.
#include <nlohmann/json.hpp>

#include "hadal/io/image.h"

#include "tests/cli/tiny.h"

namespace hadal {
namespace {

using nlohmann::json;
using test::expect_mistake;
using test::Ran;

class Detectors : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<test::TemporaryFolder>();
    trained_ = run({"train", "detect", "data.kind=shapes", "data.size=64", "data.min_size=0.2", "data.train=16",
                    "data.val=8", "data.test=4", "model=yolov8n", "model.width=0.125", "size=64", "epochs=2",
                    "train.batch=8", "evaluate_every=1", "precision=fp32", "workers=0", "threads=1", "out=run"});
    write_image(*folder_ / "noise.png", torch::randint(0, 256, {40, 60, 3}, torch::kUInt8));
  }
  static void TearDownTestSuite() { folder_.reset(); }
  static Ran run(const std::vector<std::string>& arguments) { return test::run_program(arguments, folder_->path()); }
  static inline std::unique_ptr<test::TemporaryFolder> folder_;
  static inline Ran trained_;
};

TEST_F(Detectors, TrainByTheirTasksNameAlone) {
  ASSERT_EQ(trained_.code, 0) << trained_.err;
  EXPECT_THAT(trained_.out, testing::HasSubstr("val/box_mAP50-95"));
  const auto metrics = json::parse(read_file(*folder_ / "run/metrics.json"));
  EXPECT_TRUE(metrics.at("best").contains("test/box_mAP50"));
  EXPECT_THAT(read_file(*folder_ / "run/config.toml"), testing::HasSubstr("[learned]"));
  const auto report = read_file(*folder_ / "run/report.html");
  for (const auto* part : {"Truth, and what was found", "What keeps box AP50 down", "Precision over recall"})
    EXPECT_THAT(report, testing::HasSubstr(part));
}

TEST_F(Detectors, PredictAndEvalWantNothingButTheRun) {
  auto ran = run({"predict", "run", "noise.png", "conf=0", "most=3", "save=png,txt", "out=found"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto line = json::parse(ran.out);
  ASSERT_EQ(line.at("detections").size(), 3u);
  EXPECT_EQ(line.at("detections")[0].at("box").size(), 4u);
  EXPECT_TRUE(std::filesystem::exists(*folder_ / "found/pictures/noise.png"));
  EXPECT_TRUE(std::filesystem::exists(*folder_ / "found/noise.txt"));
  ran = run({"eval", "run", "split=val", "out=scores"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(json::parse(read_file(*folder_ / "scores/metrics.json")).contains("val/box_mAP50-95"));
}

TEST_F(Detectors, HelpShowsWhatTheModelCanBeAsked) {
  const auto own = run({"predict", "run", "--help"});
  EXPECT_EQ(own.code, 0) << own.err;
  EXPECT_THAT(own.out, testing::HasSubstr("conf=0.25"));
  EXPECT_THAT(own.out, testing::Not(testing::HasSubstr("beams=")));
  const auto all = run({"predict", "--help"});
  for (const auto* setting : {"conf=", "beams=", "anomalies=", "top="})
    EXPECT_THAT(all.out, testing::HasSubstr(setting));
  expect_mistake(run({"predict", "run", "noise.png", "beams=3"}), 2, "unknown setting beams");
  expect_mistake(run({"predict", "run", "noise.png", "conf=2"}), 2, "predict.conf wants a number from 0 to 1");
  expect_mistake(run({"generate", "run"}), 2, "detect");
}

TEST_F(Detectors, SettingsThatContradictTheWeightsAreRefused) {
  expect_mistake(run({"eval", "run", "model.width=0.25"}), 2, "the weights were trained with model.width=0.125");
}

TEST_F(Detectors, WrongDataIsSaid) {
  expect_mistake(run({"train", "detect", "data=nowhere", "out=x"}), 1, "nowhere");
  write_file(*folder_ / "file.txt", "no pictures");
  EXPECT_NE(run({"train", "detect", "data=file.txt", "out=x"}).code, 0);
  std::filesystem::create_directory(*folder_ / "empty");
  EXPECT_NE(run({"train", "classify", "data=empty", "out=x"}).code, 0);
  expect_mistake(run({"train", "clasify"}), 2, "there is no recipe \"clasify\"; nearest: classify");
  EXPECT_FALSE(std::filesystem::exists(*folder_ / "x"));
}

TEST(TrainWithoutARecipe, ClassFoldersAreEnough) {
  const test::TemporaryFolder folder;
  const std::vector<std::string> labels = {"left", "right", "top"};
  for (int64_t label = 0; label < 3; ++label)
    for (int64_t i = 0; i < 30; ++i)
      write_image(folder / fmt::format("photos/{}/{}/{}.png", i < 24 ? "train" : "val", labels[label], i),
                  test::picture(label, i));
  const auto ran = test::run_program(
      {"train", "classify", "data=photos", "model=cnn", "model.widths=8,16", "epochs=8", "train.batch=12", "hflip=0",
       "crop_scale=1", "precision=fp32", "threads=1", "lr=0.01", "ema=0", "workers=0", "out=run"},
      folder.path());
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto metrics = json::parse(read_file(folder / "run/metrics.json"));
  EXPECT_GT(metrics.at("best").at("val/accuracy").get<double>(), 0.6);
}

}  // namespace
}  // namespace hadal
