// Training without a recipe, and a detector through the verbs.
#include <nlohmann/json.hpp>

#include "hadal/io/image.h"
#include "hadal/io/passport.h"
#include "hadal/models/detection/darknet.h"

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

/// Two pictures and their truth in COCO's form, with numbers that nobody would guess.
void write_odd_coco(const std::filesystem::path& folder) {
  for (const auto* name : {"a.png", "b.png"})
    write_image(folder / name, torch::randint(0, 256, {64, 64, 3}, torch::kUInt8));
  write_file(folder / "truth.json", R"({"images": [{"id": 100, "width": 64, "height": 64, "file_name": "a.png"},
    {"id": 200, "width": 64, "height": 64, "file_name": "b.png"}],
    "categories": [{"id": 5, "name": "cat"}, {"id": 17, "name": "dog"}], "annotations": [
    {"id": 1, "image_id": 100, "category_id": 5, "bbox": [2, 2, 30, 30], "area": 900, "iscrowd": 0},
    {"id": 2, "image_id": 200, "category_id": 17, "bbox": [20, 20, 40, 40], "area": 1600, "iscrowd": 0}]})");
}

TEST(CocoNumbers, OfTheDataAreThoseOfThePredictions) {
  const test::TemporaryFolder folder;
  write_odd_coco(folder / "data");
  const auto run = [&](const std::vector<std::string>& words) { return test::run_program(words, folder.path()); };
  auto ran = run({"train", "detect", "data=data/truth.json", "model=yolov8n", "model.width=0.125", "size=64",
                  "epochs=1", "train.batch=2", "precision=fp32", "workers=0", "threads=1", "out=run"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  ran = run({"predict", "run", "data/a.png", "data/b.png", "conf=0", "most=300", "save=coco", "out=found"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::set<int> categories;
  for (const auto& result : json::parse(read_file(folder / "found/coco.json")))
    categories.insert(result.at("category_id").get<int>());
  EXPECT_THAT(categories, testing::Each(testing::AnyOf(5, 17)));
  ran = run({"eval", "predictions=found/coco.json", "data=data/truth.json", "out=scores"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::HasSubstr(" results for 2 objects in 2 pictures, 2 classes"));
  EXPECT_THAT(ran.out, testing::Not(testing::HasSubstr("note:")));
  auto all = json::parse(read_file(folder / "found/coco.json"));
  for (auto& result : all) result["category_id"] = 1;
  write_file(folder / "wrong.json", all.dump());
  expect_mistake(run({"eval", "predictions=wrong.json", "data=data/truth.json"}), 1,
                 "category_id is one of 1, the truth's categories are 5 (cat), 17 (dog)");
}

TEST(DarknetRuns, BeginWithACfgAndEndWithDarknetsFiles) {
  const test::TemporaryFolder folder;
  write_file(
      folder / "my.cfg",
      "# mine\n[net]\nwidth=32\nheight=32\n[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\nstride=2\npad=1\n"
      "activation=leaky\n[convolutional]\nfilters=7\nactivation=linear\n[yolo]\nclasses=2\nanchors=8,8\nnum=1\n");
  const auto run = [&](std::vector<std::string> words) { return test::run_program(words, folder.path()); };
  const auto train = [&](std::vector<std::string> more) {
    std::vector<std::string> words = {
        "train",         "detect",         "data.kind=shapes", "data.size=64", "data.min_size=0.2",
        "data.train=8",  "data.val=4",     "data.test=0",      "size=64",      "epochs=1",
        "train.batch=4", "precision=fp32", "workers=0",        "threads=1"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  auto ran = train({"model=darknet", "cfg=my.cfg", "out=run"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  // What Darknet reads is what the run has, to the last float.
  const auto best = read_passport(folder / "run"), beside = read_passport(folder / "run/weights/best.weights");
  const auto row = beside.tensors.at(kDarknetFloats);
  DarknetImpl net({.cfg = (folder / "run/weights/best.cfg").string()});
  EXPECT_EQ(net.preparation().size, 64);
  const auto named = net.own_names({{kDarknetFloats, row}});
  int64_t floats = 0;
  for (const auto& [name, tensor] : named) {
    EXPECT_TRUE(tensor.equal(best.tensors.at(name))) << name;
    floats += tensor.numel();
  }
  EXPECT_EQ(floats, row.numel());
  EXPECT_EQ(read_file(folder / "run/weights/best.names"), "circle\nsquare\ntriangle\nstar\n");

  // The weights say which model they are of, and a .cfg elsewhere says it where none lies beside them.
  ran = train({"weights=run/weights/best.weights", "out=again"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::StartsWith("darknet: "));
  std::filesystem::rename(folder / "run/weights/best.cfg", folder / "other.cfg");
  ran = train({"weights=run/weights/best.weights", "cfg=other.cfg", "out=other"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::StartsWith("darknet: "));
  write_image(folder / "noise.png", torch::randint(0, 256, {40, 60, 3}, torch::kUInt8));
  ran = run({"predict", "weights=run/weights/best.weights", "cfg=other.cfg", "noise.png", "conf=0", "most=3"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(json::parse(ran.out).at("detections").size(), 3u);
  ran = run({"eval", "weights=run/weights/best.weights", "cfg=other.cfg", "data=shapes", "data.size=64",
             "data.min_size=0.2", "data.test=4", "threads=1"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  expect_mistake(train({"model=darknet", "cfg=none.cfg"}), 2, "there is no file \"none.cfg\"");
  expect_mistake(run({"predict", "weights=run/weights/best.weights", "cfg=none.cfg", "noise.png"}), 2,
                 "there is no file none.cfg");
  expect_mistake(train({"weights=run/weights/best.weights"}), 2, "has no best.cfg beside it");
  std::filesystem::rename(folder / "other.cfg", folder / "run/weights/best.cfg");
  expect_mistake(train({"model=yolov4-tiny", "weights=run/weights/best.weights"}), 2,
                 "the weights were trained with model=darknet model.cfg=[net]");
}

}  // namespace
}  // namespace hadal
