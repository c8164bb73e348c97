// eval and predict of a trained run, and the run folder itself.
#include <nlohmann/json.hpp>

#include "hadal/io/image.h"

#include "tests/cli/tiny.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::expect_mistake;
using test::Ran;

class Verbs : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<test::TemporaryFolder>();
    test::write_idx(*folder_ / "digits", "train", 150, 150);
    test::write_idx(*folder_ / "digits", "t10k", 60, 60);
    write_file(*folder_ / "tiny.toml", test::recipe("kind = \"idx\"\npath = \"digits\"\nval = 30\n",
                                                    "optimizer = { name = \"adamw\", lr = 0.01 }\n"));
    trained_ = run({"train", "tiny.toml", "out=run", "epochs=6"});
    ASSERT_EQ(trained_.code, 0) << trained_.err;
    for (int64_t label = 0; label < 3; ++label)
      write_image(*folder_ / fmt::format("photos/{}.png", label), test::picture(label, 5000));
  }
  static void TearDownTestSuite() { folder_.reset(); }
  static Ran run(const std::vector<std::string>& arguments) { return test::run_program(arguments, folder_->path()); }
  static json read_json(const std::string& name) { return json::parse(read_file(*folder_ / name)); }
  static std::vector<json> read_lines(const std::string& name) {
    std::vector<json> lines;
    std::istringstream text(read_file(*folder_ / name));
    for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line));
    return lines;
  }
  static inline std::unique_ptr<test::TemporaryFolder> folder_;
  static inline Ran trained_;
};

TEST_F(Verbs, TrainLogsPlainLinesWhereThereIsNoTerminal) {
  EXPECT_EQ(trained_.err, "");
  for (const auto* control : {"\r", "\x1b"}) EXPECT_THAT(trained_.out, testing::Not(testing::HasSubstr(control)));
  EXPECT_THAT(trained_.out, testing::HasSubstr("val/accuracy"));
  EXPECT_THAT(trained_.out, testing::HasSubstr("run/report.html"));
}

TEST_F(Verbs, TrainLeavesARunFolder) {
  for (const auto* name : {"config.toml", "metrics.csv", "metrics.json", "report.html", "weights/best.safetensors",
                           "weights/last.safetensors", "checkpoint/last.safetensors", "tensorboard"})
    EXPECT_TRUE(fs::exists(*folder_ / "run" / name)) << name;
  const auto metrics = read_json("run/metrics.json");
  EXPECT_TRUE(metrics.at("best").contains("test/accuracy"));
  EXPECT_TRUE(metrics.at("last").contains("val/loss"));
  EXPECT_THAT(read_file(*folder_ / "run/report.html"), testing::HasSubstr("data:image/png;base64,"));
}

TEST_F(Verbs, TwoRunsWithTheSameSeedAreTheSame) {
  ASSERT_EQ(run({"train", "tiny.toml", "out=again", "epochs=6", "workers=3"}).code, 0);
  EXPECT_EQ(read_file(*folder_ / "run/metrics.json"), read_file(*folder_ / "again/metrics.json"));
  ASSERT_EQ(run({"train", "tiny.toml", "out=other", "epochs=6", "seed=2"}).code, 0);
  EXPECT_NE(read_file(*folder_ / "run/metrics.json"), read_file(*folder_ / "other/metrics.json"));
}

TEST_F(Verbs, EvalGivesTheNumbersOfTheRun) {
  const auto best = read_json("run/metrics.json").at("best");
  auto ran = run({"eval", "run", "out=scores"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(read_json("scores/metrics.json").at("test/accuracy"), best.at("test/accuracy"));
  ran = run({"eval", "run", "split=val", "out=scores-val"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(read_json("scores-val/metrics.json").at("val/accuracy"), best.at("val/accuracy"));
  EXPECT_DOUBLE_EQ(read_json("scores-val/metrics.json").at("val/loss").get<double>(),
                   best.at("val/loss").get<double>());
  // The weights file alone knows its model and data, and by name with data of one's own.
  ASSERT_EQ(run({"eval", "run/weights/best.safetensors", "split=val", "out=scores-file"}).code, 0);
  EXPECT_EQ(read_json("scores-file/metrics.json"), read_json("scores-val/metrics.json"));
  ran = run({"eval", "run/weights/best.safetensors", "model=mlp", "hidden=[16]", "data=digits", "split=test",
             "out=scores-name"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(read_json("scores-name/metrics.json").at("test/accuracy"), best.at("test/accuracy"));
  ran = run({"eval", "run", "limit=7"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(fs::exists(*folder_ / "runs/eval/metrics.json"));
}

TEST_F(Verbs, ARunStandsWhereverTheProgramIsStarted) {
  fs::create_directory(*folder_ / "elsewhere");
  const auto there = [](const std::vector<std::string>& words) {
    return test::run_program(words, *folder_ / "elsewhere");
  };
  const auto trained = (*folder_ / "run").string();
  auto ran = there({"eval", trained, "out=scores"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(read_json("elsewhere/scores/metrics.json").at("test/accuracy"),
            read_json("run/metrics.json").at("best").at("test/accuracy"));
  ran = there({"train", "resume=" + trained});
  EXPECT_EQ(ran.code, 0) << ran.err;
}

TEST_F(Verbs, AResumedRunNeedsNotTheWeightsItBeganFrom) {
  fs::copy(*folder_ / "run/weights/best.safetensors", *folder_ / "base.safetensors");
  auto ran = run({"train", "tiny.toml", "weights=base.safetensors", "out=tuned", "epochs=1"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  fs::remove(*folder_ / "base.safetensors");
  const auto weights = read_file(*folder_ / "tuned/weights/last.safetensors");
  ran = run({"train", "resume=tuned"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(read_file(*folder_ / "tuned/weights/last.safetensors") == weights);
}

TEST_F(Verbs, EvalSparesTheFilesOfARun) {
  const auto before = read_file(*folder_ / "run/metrics.json");
  expect_mistake(run({"eval", "run", "out=run"}), 2, "run is a run, whose own metrics.json would be lost");
  EXPECT_EQ(read_file(*folder_ / "run/metrics.json"), before);
  const auto ran = run({"eval", "run", "out=tiny.toml/scores"});
  expect_mistake(ran, 1, "tiny.toml/scores");
  EXPECT_THAT(ran.out, testing::Not(testing::HasSubstr("test/accuracy")));  // it says so before it scores
}

TEST_F(Verbs, AnotherMachineThanTheTrainings) {
  fs::copy(*folder_ / "run", *folder_ / "far", fs::copy_options::recursive);
  auto config = read_file(*folder_ / "far/config.toml");
  for (const auto& [key, value] :
       {std::pair("threads", "5000"), {"device", "\"cuda:77\""}, {"precision", "\"fp16\""}, {"limit", "1"}}) {
    const auto at = config.find(fmt::format("\n{} = ", key)) + 1;
    config.replace(at, config.find('\n', at) - at, fmt::format("{} = {}", key, value));
  }
  write_file(*folder_ / "far/config.toml", config);
  const auto ran = run({"eval", "far", "out=far-scores"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.err, testing::HasSubstr("it was trained on cuda:77, which is not here"));
  EXPECT_NEAR(read_json("far-scores/metrics.json").at("test/loss").get<double>(),
              read_json("run/metrics.json").at("best").at("test/loss").get<double>(), 1e-5);
  expect_mistake(run({"eval", "far", "device=cuda:77"}), 2, "device=cuda:77");
  expect_mistake(run({"eval", "run", "threads=5000"}), 2, "threads (5000)");
}

TEST_F(Verbs, WhatWasTrainedOnDrawnDataTakesPictures) {
  write_file(*folder_ / "drawn.toml", test::recipe(test::kShapes, "", "name = \"cnn\"\nwidths = [4]\n"));
  ASSERT_EQ(run({"train", "drawn.toml", "out=drawn"}).code, 0);
  for (const auto* name : {"circle/0.png", "square/1.png"})
    write_image(*folder_ / "pairs" / name, test::picture(name[0] == 's', 7000));
  auto ran = run({"eval", "drawn", "data=pairs", "split=val", "out=drawn-scores"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(read_json("drawn-scores/metrics.json").contains("val/accuracy"));
  ran = run({"predict", "drawn", "photos/0.png", "size=20", "out=drawn-said"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  expect_mistake(run({"predict", "drawn", "photos/0.png", "split=val"}), 2, "not a split of a data set");
}

TEST_F(Verbs, PredictWritesALineAPicture) {
  const auto ran = run({"predict", "run", "photos", "out=said", "top=2"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto lines = read_lines("said/predictions.jsonl");
  ASSERT_EQ(lines.size(), 3U);
  for (int64_t label = 0; label < 3; ++label) {
    const auto& line = lines[label];
    EXPECT_EQ(line.at("input"), fmt::format("photos/{}.png", label));
    ASSERT_EQ(line.at("top").size(), 2U);
    EXPECT_EQ(line["top"][0].at("class"), fmt::format("{}", label));
    EXPECT_GE(line["top"][0].at("score").get<double>(), line["top"][1].at("score").get<double>());
    EXPECT_THAT(ran.out, testing::HasSubstr(line.at("input").get<std::string>()));
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(*folder_ / "said/pictures"), fs::directory_iterator()), 3);
  ASSERT_EQ(run({"predict", "run", "photos/0.png", "out=plain", "pictures=false", "names=left,right,top"}).code, 0);
  EXPECT_EQ(read_lines("plain/predictions.jsonl").at(0)["top"][0]["class"], "left");
  EXPECT_FALSE(fs::exists(*folder_ / "plain/pictures"));
}

TEST_F(Verbs, ABrokenPictureAmongGoodOnesIsNamedAndTheRestIsDone) {
  const auto good = read_file(*folder_ / "photos/1.png");
  write_file(*folder_ / "mixed/a.png", good);
  write_file(*folder_ / "mixed/b.png", std::string_view(good).substr(0, good.size() / 2));
  write_file(*folder_ / "mixed/c.png", good);
  write_file(*folder_ / "mixed/notes.txt", "no picture");
  const auto ran = run({"predict", "run", "mixed", "out=mixed-out"});
  expect_mistake(ran, 1, "1 of 3 pictures could not be read, the first: mixed/b.png");
  const auto lines = read_lines("mixed-out/predictions.jsonl");
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].at("input"), "mixed/a.png");
  EXPECT_EQ(lines[1].at("input"), "mixed/b.png");
  EXPECT_THAT(lines[1].at("error").get<std::string>(), testing::HasSubstr("b.png"));
  EXPECT_EQ(lines[2].at("top"), lines[0].at("top"));
}

}  // namespace
}  // namespace hadal
