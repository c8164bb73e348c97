// Training a language model on a text file, then scoring it and letting it write.
#include <sstream>

#include <nlohmann/json.hpp>

#include "hadal/core/utf8.h"

#include "tests/cli/tiny.h"

namespace hadal {
namespace {

using test::expect_mistake;
using test::Ran;
using testing::HasSubstr;

class Generate : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TemporaryFolder;
    std::string text;
    for (int i = 0; i < 80; ++i) text += "the quick brown fox jumps over the l\xC3\xA4zy dog\n";
    write_file(*folder_ / "text.txt", text);
    write_file(
        *folder_ / "tiny.toml",
        "about = \"tiny\"\ntask = \"language\"\n[model]\nname = \"gpt\"\ncontext = 16\ndim = 16\ndepth = 1\nheads = 2\n"
        "mlp = 32\n[data]\npath = \"text.txt\"\n[train]\nsteps = 40\nbatch = 8\nthreads = 1\nworkers = 1\n"
        "precision = \"fp32\"\noptimizer = { name = \"adamw\", lr = 1e-2 }\n");
    trained_ = new Ran(test::run_program({"train", "tiny.toml", "out=run"}, folder_->path()));
  }
  static void TearDownTestSuite() {
    delete trained_;
    delete folder_;
  }
  Ran run(const std::vector<std::string>& arguments) { return test::run_program(arguments, folder_->path()); }
  static test::TemporaryFolder* folder_;
  static Ran* trained_;
};
test::TemporaryFolder* Generate::folder_ = nullptr;
Ran* Generate::trained_ = nullptr;

TEST_F(Generate, TrainsAndShowsSamplesInTheReport) {
  EXPECT_EQ(trained_->code, 0) << trained_->err;
  EXPECT_THAT(read_file(*folder_ / "run/report.html"), HasSubstr("<pre class=text>"));
  EXPECT_THAT(read_file(*folder_ / "run/config.toml"), HasSubstr("vocabulary = \"\\n bcdefghi"));
  const auto scores = run({"eval", "run", "split=val", "out=scores"});
  EXPECT_EQ(scores.code, 0) << scores.err;
  EXPECT_THAT(read_file(*folder_ / "scores/metrics.json"), HasSubstr("\"val/bits_per_byte\": "));
}

TEST_F(Generate, WritesTheSameTextForASeed) {
  const auto first = run({"generate", "run", "prompt=the ", "tokens=30", "seed=3"});
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(first.out.rfind("the ", 0), 0);
  EXPECT_EQ(find_bad_utf8(first.out), std::string::npos);
  EXPECT_EQ(run({"generate", "run", "prompt=the ", "tokens=30", "seed=3"}).out, first.out);
  EXPECT_NE(run({"generate", "run", "prompt=the ", "tokens=30", "seed=4"}).out, first.out);
  const auto from_file = run({"generate", "run/weights/best.safetensors", "prompt=the ", "tokens=30", "seed=3"});
  EXPECT_EQ(from_file.out, first.out) << from_file.err;
}

TEST_F(Generate, WritesSeveralAtOnce) {
  write_file(*folder_ / "prompts.txt", "the \n\nfox\n");
  const auto ran = run({"generate", "run", "prompts=prompts.txt", "tokens=5", "count=2", "temperature=0", "out=many"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("--- 4\nfox"));
  const auto lines = read_file(*folder_ / "many/generations.jsonl");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 4);
  EXPECT_THAT(lines, HasSubstr("{\"prompt\":\"fox\",\"text\":\""));
  std::istringstream each(lines);
  std::string shown;
  int number = 0;
  for (std::string line; std::getline(each, line);) {
    const auto json = nlohmann::json::parse(line);
    shown += fmt::format("{}--- {}\n{}{}\n", number ? "\n" : "", number + 1, json["prompt"].get<std::string>(),
                         json["text"].get<std::string>());
    ++number;
  }
  EXPECT_EQ(ran.out, shown) << "each grows on the terminal to what it is in the end";
  // As Windows' editors write it.
  write_file(*folder_ / "prompts.txt", "\xEF\xBB\xBFthe \r\n\r\nfox\r\n");
  EXPECT_EQ(run({"generate", "run", "prompts=prompts.txt", "tokens=5", "count=2", "temperature=0"}).out, ran.out);
}

TEST_F(Generate, ScoresTextFiles) {
  write_file(*folder_ / "other.txt", "the quick dog");
  const auto ran = run({"predict", "run", "other.txt", "out=predicted"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("{\"input\":\"other.txt\",\"tokens\":13,\"loss\":"));
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 1) << "lines of JSON alone";
  const auto whole = run({"eval", "run", "data=other.txt", "out=whole"});
  EXPECT_EQ(whole.code, 0) << whole.err;
  EXPECT_EQ(nlohmann::json::parse(read_file(*folder_ / "whole/metrics.json"))["test/loss"].get<float>(),
            nlohmann::json::parse(ran.out)["loss"].get<float>());
  write_file(*folder_ / "latin.txt", "l\xE4zy");
  expect_mistake(run({"predict", "run", "latin.txt", "out=predicted"}), 1, "latin.txt at byte 1: not UTF-8");
}

TEST_F(Generate, SaysWhatIsWrong) {
  expect_mistake(run({"generate", "run", "prompt=\xE2\x82\xAC"}), 1,
                 "(U+20AC) at byte 0 is not one of the 28 characters");
  expect_mistake(run({"generate", "run", "prompt=\xFF"}), 2, "the prompt is not UTF-8");
  expect_mistake(run({"generate", "run", "temperature=-1"}), 2, "temperature");
  expect_mistake(run({"generate", "run", "top_p=0"}), 2, "top_p");
  expect_mistake(run({"generate", "run", "tokens=0"}), 2, "tokens");
  expect_mistake(run({"generate", "run", "beams=2", "top_k=5"}), 2, "top_k does nothing with beams=2");
  expect_mistake(run({"generate", "run", "ROMEO:"}), 2, "A prompt is written prompt=TEXT");
  expect_mistake(run({"generate", "run", "prompts=none.txt"}), 1, "none.txt: No such file");
  EXPECT_EQ(run({"generate", "run", "prompt=the ", "beams=2", "top_k=5"}).out, "") << "what is refused shows nothing";
  expect_mistake(run({"generate", "run", "temprature=1"}), 2, "unknown setting temprature; nearest: temperature");
  expect_mistake(run({"generate"}), 2, "say what to use");
  write_file(*folder_ / "empty.txt", "");
  expect_mistake(run({"train", "tiny.toml", "out=none", "data=empty.txt"}), 1, "empty.txt: is empty");
  expect_mistake(run({"train", "tiny.toml", "out=none", "data=other.txt"}), 1, "and a window takes 17");
}

}  // namespace
}  // namespace hadal
