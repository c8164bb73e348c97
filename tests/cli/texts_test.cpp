// Text classifiers through the program: tables to learn from and to score, files and texts to tell the class of.
#include <nlohmann/json.hpp>

#include "tests/cli/tiny.h"

namespace hadal::test {
namespace {

std::string table(int count) {
  std::string out = "text,label\n";
  for (int i = 0; i < count; ++i)
    out += fmt::format("a {} day {},{}\n", i % 2 ? "good" : "bad", i % 5, i % 2 ? "yes" : "no");
  return out;
}

class Texts : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    write_file(*folder_ / "tiny.toml",
               "about = \"tiny\"\ntask = \"classify_text\"\n"
               "[model]\nname = \"text_encoder\"\ndim = 8\nheads = 2\nmlp = 16\ndepth = 1\ncontext = 16\n"
               "[data]\nkind = \"table\"\npath = \"train.csv\"\ntest = \"test.csv\"\n"
               "[tokenizer]\nname = \"characters\"\n[train]\nepochs = 1\nthreads = 1\nworkers = 0\n");
    write_file(*folder_ / "train.csv", table(60));
    write_file(*folder_ / "test.csv", table(10));
    write_file(*folder_ / "other.csv", table(24));
    write_file(*folder_ / "odd.csv", "text,label\na good day,maybe\n");
    const auto ran = run({"train", "tiny.toml", "out=run"});
    ASSERT_EQ(ran.code, 0) << ran.err;
  }
  static void TearDownTestSuite() { folder_.reset(); }
  static Ran run(const std::vector<std::string>& words) { return run_program(words, folder_->path()); }

  static inline std::unique_ptr<TemporaryFolder> folder_;
};

TEST_F(Texts, ANamedFileIsScoredWhole) {
  const auto ran = run({"eval", "run", "data=other.csv", "out=scores"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(
      ran.out,
      testing::HasSubstr(
          "there is no split but train: all of it is scored"));  // neither the run's test file nor a share by chance
  EXPECT_THAT(run({"eval", "run", "out=own"}).out, testing::HasSubstr("test/accuracy"));
  EXPECT_THAT(run({"eval", "run", "path=other.csv", "out=by-path"}).out,
              testing::HasSubstr("there is no split but train: all of it is scored"));
  EXPECT_THAT(run({"eval", "run", "test=other.csv", "path=train.csv", "out=by-test"}).out,
              testing::HasSubstr("test/accuracy"));
  expect_mistake(run({"eval", "run", "data=nowhere.csv"}), 1, "nowhere.csv");
  expect_mistake(run({"eval", "run", "data=odd.csv"}), 1, "the train text 1 has the label \"maybe\"");
  EXPECT_THAT(run({"eval", "run", "data=other.csv", "test=odd.csv"}).err, testing::HasSubstr("maybe"));
}

TEST_F(Texts, AnotherTableBringsItsOwnSplits) {
  const auto ran = run({"train", "tiny.toml", "data=other.csv", "out=other"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::Not(testing::HasSubstr("test/accuracy")));
}

TEST_F(Texts, WhatIsWrongWithASplitIsSaidBeforeTheTraining) {
  for (const auto* split : {"data.test=odd.csv", "data.val=nowhere.csv"}) {
    const auto ran = run({"train", "tiny.toml", split, "out=never"});
    EXPECT_EQ(ran.code, 1);
    EXPECT_FALSE(std::filesystem::exists(*folder_ / "never/metrics.csv")) << ran.out;
  }
}

TEST_F(Texts, PredictTakesSeveralAndGoesOnBehindABadFile) {
  auto ran = run({"predict", "run", "text=a good day", "text=a bad day", "out=said"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.err, testing::HasSubstr("2 inputs"));
  write_file(*folder_ / "bad.txt", "\xff\xfe");
  write_file(*folder_ / "lines.txt", "a good day\na bad day\n");
  ran = run({"predict", "run", "bad.txt", "lines.txt", "out=mixed"});
  expect_mistake(ran, 1, "1 of 3 texts could not be read, the first: bad.txt at byte 0: not UTF-8");
  const auto written = read_file(*folder_ / "mixed/predictions.jsonl");
  EXPECT_EQ(std::count(written.begin(), written.end(), '\n'), 3);
  EXPECT_THAT(written, testing::StartsWith("{\"input\":\"bad.txt\",\"error\":"));
  expect_mistake(run({"predict", "run", "bad.txt"}), 1, "bad.txt at byte 0");
  expect_mistake(run({"generate", "run"}), 2, "the model of task classify_text makes nothing; it is for hadal predict");
}

TEST_F(Texts, CtrlCKeepsWhatWasPredicted) {
  std::string lines;
  for (int i = 0; i < 200000; ++i) lines += "a good day\n";
  write_file(*folder_ / "many.txt", lines);
  const auto written = *folder_ / "stopped/predictions.jsonl";
  Process process({"predict", "run", "many.txt", "out=stopped"}, folder_->path());
  ASSERT_TRUE(process.wait_until([&] { return std::filesystem::file_size(*folder_ / "stdout") > 0; }));
  process.signal(SIGINT);
  const auto ran = process.wait();
  EXPECT_EQ(ran.code, 130);
  const auto count = std::count(ran.out.begin(), ran.out.end(), '\n');
  EXPECT_LT(count, 200000);
  EXPECT_THAT(ran.err, testing::HasSubstr(fmt::format("stopped; {} lines written to stopped", count)));
  EXPECT_EQ(read_file(written), ran.out);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(*folder_ / "stopped"), {}), 1);
}

}  // namespace
}  // namespace hadal::test
