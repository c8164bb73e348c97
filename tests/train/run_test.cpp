#include "hadal/train/run.h"

#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/train/history.h"
#include "hadal/train/run_folder.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

TEST(RunFolder, TwoRunsNeverShareOne) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(fresh_folder(folder / "runs", "a").filename(), "a");
  EXPECT_EQ(fresh_folder(folder / "runs", "a").filename(), "a-2");
  EXPECT_EQ(fresh_folder(folder / "runs", "a").filename(), "a-3");
  write_file(folder / "file", "");
  EXPECT_ERROR(fresh_folder(folder / "file", "a"), "cannot make this folder");
}

TEST(RunFolder, OnlyAnEmptyOneIsRemoved) {
  const test::TemporaryFolder folder;
  const auto empty = fresh_folder(folder.path(), "empty"), full = fresh_folder(folder.path(), "full");
  write_file(full / "config.toml", "");
  for (const auto& path : {empty, full, folder / "nowhere"}) remove_if_empty(path);
  EXPECT_FALSE(std::filesystem::exists(empty));
  EXPECT_TRUE(std::filesystem::exists(full / "config.toml"));
  remove_if_empty(full / "config.toml");
  EXPECT_TRUE(std::filesystem::exists(full / "config.toml"));
}

TEST(Promises, AreKeptOrNot) {
  const RunResult result{true, {{"val/accuracy", 0.9}, {"test/loss", 0.4}}, {}, 120};
  const auto kept = [&](const char* name, double asked) {
    const auto promises = promises_of({{name, asked}}, result);
    EXPECT_EQ(promises.size(), 1U);
    return promises.at(0).kept;
  };
  EXPECT_TRUE(kept("val/accuracy", 0.9));
  EXPECT_FALSE(kept("val/accuracy", 0.91));
  EXPECT_TRUE(kept("test/loss", 0.5));
  EXPECT_FALSE(kept("test/loss", 0.3));
  EXPECT_TRUE(kept("minutes", 2));
  EXPECT_FALSE(kept("minutes", 1.9));
  EXPECT_ERROR(promises_of({{"test/bleu", 30.0}}, result), "the run does not measure");
}

TEST(Run, AnEvaluationOfAResumedRunRemembersTheBestOfEarlierSittings) {
  const test::TemporaryFolder folder;
  auto recipe = recipe_from(
      parse_toml("[model]\nname = \"mlp\"\nhidden = [8]\n[data]\nkind = \"shapes\"\nsize = 16\ntrain = 32\nval = 16\n"
                 "test = 0\nclasses = 2\n[train]\nepochs = 6\nbatch = 16\nworkers = 0\nthreads = 1\noptimizer = "
                 "{ name = \"adamw\", lr = 0.02 }\n",
                 "small.toml"),
      "small");
  // Stops after each evaluation, so that every sitting has one, and reads what a run that was killed now would leave.
  struct Stopper : Callback {
    explicit Stopper(std::filesystem::path folder) : file(std::move(folder)) {}
    void on_evaluation(const EvaluationEvent& event) override {
      stop_requested() = true;
      best = std::max(best, *find_value(event.values, "val/accuracy"));
      const auto written = nlohmann::json::parse(read_file(file)).at("best").at("val/accuracy").get<double>();
      EXPECT_EQ(written, best) << "step " << event.state.step;
    }
    std::filesystem::path file;
    double best = 0;
  } stopper(folder / "metrics.json");
  bool resume = false;
  for (int sitting = 0; sitting < 6; ++sitting) {
    const auto result =
        train_recipe(recipe, {.folder = folder.path(), .resume = std::exchange(resume, true), .listeners = {&stopper}});
    stop_requested() = false;
    EXPECT_EQ(result.done, sitting == 5);
    EXPECT_EQ(*find_value(result.best, "val/accuracy"), stopper.best);
  }
}

}  // namespace
}  // namespace hadal
