#include "hadal/trained/predict.h"

#include "hadal/core/stop.h"
#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

/// Answers with its input's length; what is empty it cannot read.
class Counter : public Trained {
 public:
  Model& model() override { return model_; }
  Takes takes() const override { return Takes::picture; }
  std::string summary() const override { return "counter"; }
  int64_t at_once() const override { return 2; }
  std::vector<Answer> predict(std::span<const Input> inputs, const Table& options) override {
    require(options.empty(), "unknown setting {}", options.empty() ? "" : options.entries()[0].key);
    std::vector<Answer> answers;
    for (const auto& input : inputs) {
      ++asked;
      if (input.bytes.empty()) {
        answers.push_back({{}, {}, input.name + ": empty"});
        continue;
      }
      answers.push_back({{{"input", input.name}, {"length", input.bytes.size()}}, {}, {}});
      answers.back().files = {{".png", [=] { return input.bytes; }},
                              {"-more.csv", [=] { return input.bytes; }},
                              {"all.txt", [=] { return input.bytes + "\n"; }, true},
                              {"all.json", [=] { return "\"" + input.bytes + "\""; }, true}};
    }
    return answers;
  }
  int64_t asked = 0;

 private:
  Model model_;
};

InputSource source(const std::string& name, const std::string& bytes) {
  return {name, [=] { return Input{name, bytes, {}}; }};
}

}  // namespace

TEST(Predict, WritesALineAndFilesForEachInput) {
  test::TemporaryFolder folder;
  Counter counter;
  std::vector<std::string> told;
  const PredictJob job{.out = folder / "out",
                       .inputs = {folder / "out/a-more-2.csv"},
                       .listen = [&](const std::string& line) { told.push_back(line); }};
  const auto count =
      predict_all(counter, {source("x/a.jpg", "one"), source("y/a.jpg", "three"), source("caf\xE9.png", "f")}, {}, job);
  EXPECT_EQ(count.answered, 3);
  EXPECT_EQ(told.at(0), R"({"input":"x/a.jpg","length":3})");
  EXPECT_EQ(told.at(2), "{\"input\":\"caf\xEF\xBF\xBD.png\",\"length\":1}");
  EXPECT_EQ(read_file(folder / "out/predictions.jsonl"), told[0] + "\n" + told[1] + "\n" + told[2] + "\n");
  EXPECT_EQ(read_file(folder / "out/pictures/a.png"), "one");
  EXPECT_EQ(read_file(folder / "out/pictures/a-2.png"), "three");
  EXPECT_EQ(read_file(folder / "out/a-more.csv"), "one");
  EXPECT_EQ(read_file(folder / "out/a-more-3.csv"), "three");  // the second would write over an input
  EXPECT_EQ(read_file(folder / "out/all.txt"), "one\nthree\nf\n");
  EXPECT_EQ(read_file(folder / "out/all.json"), "[\"one\",\n\"three\",\n\"f\"]\n");
}

TEST(Predict, WhatFailsIsALineTooAndTheOthersGoOn) {
  test::TemporaryFolder folder;
  Counter counter;
  const InputSource broken{"b", []() -> Input { throw Error("b at byte 3: cut off"); }};
  const auto count =
      predict_all(counter, {source("a", ""), broken, source("c", "ccc")}, {}, {.out = folder.path(), .files = false});
  EXPECT_EQ(count.answered, 1);
  EXPECT_EQ(count.failed, 2);
  EXPECT_EQ(count.first_error, "a: empty");
  EXPECT_EQ(read_file(folder / "predictions.jsonl"),
            "{\"input\":\"a\",\"error\":\"a: empty\"}\n{\"input\":\"b\",\"error\":\"b at byte 3: cut "
            "off\"}\n{\"input\":\"c\",\"length\":3}\n");
  EXPECT_FALSE(std::filesystem::exists(folder / "c-more.csv"));
}

TEST(Predict, StopsBetweenBatchesAndKeepsWhatIsDone) {
  test::TemporaryFolder folder;
  Counter counter;
  const PredictJob job{.out = folder.path(), .listen = [](const std::string&) { stop_requested() = true; }};
  const auto count = predict_all(counter, {source("a", "a"), source("b", "b"), source("c", "c")}, {}, job);
  stop_requested() = false;
  EXPECT_TRUE(count.stopped);
  EXPECT_EQ(counter.asked, 2);
  const auto lines = read_file(folder / "predictions.jsonl");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
}

TEST(Predict, WrongOptionsAreRefusedBeforeAnythingIsWritten) {
  test::TemporaryFolder folder;
  Counter counter;
  EXPECT_ERROR(predict_all(counter, {source("a", "a")}, {{"size", 3}}, {.out = folder / "out"}),
               "unknown setting size");
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}
