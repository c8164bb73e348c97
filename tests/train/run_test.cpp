#include "hadal/train/run.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/report/history.h"
#include "hadal/train/run_files.h"
#include "hadal/train/run_folder.h"

#include "tests/train/regression.h"

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
  const RunResult result{
      true, {{"val/accuracy", 0.9}, {"test/loss", 0.4}}, {}, 120, {{"accuracy"}, {"loss", false}, {"bleu"}}};
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
  EXPECT_FALSE(kept("test/bleu", 30));
  EXPECT_TRUE(std::isnan(promises_of({{"test/bleu", 30.0}}, result)[0].reached));
  const RunResult forecast{true,
                           {{"test/mase", 0.9}, {"test/quantile_loss", 0.3}, {"val/box_mAP50", 0.5}},
                           {},
                           120,
                           {{"mase", false}, {"quantile_loss", false}, {"box_mAP50"}}};
  for (const auto& [name, asked, expected] : {std::tuple{"test/mase", 1.0, true},
                                              {"test/mase", 0.8, false},
                                              {"test/quantile_loss", 0.4, true},
                                              {"test/quantile_loss", 0.2, false},
                                              {"val/box_mAP50", 0.4, true}})
    EXPECT_EQ(promises_of({{name, asked}}, forecast).at(0).kept, expected) << name << " " << asked;
  auto other = result;
  other.unjudged = "horizon";
  EXPECT_TRUE(promises_of({{"val/accuracy", 0.9}}, other).empty());
}

TEST(Promises, AreMadeForTheRecipesOwnProblem) {
  std::string name;
  const auto table = load_recipe_table("etth1-dlinear", name);
  const auto changed = [&](const std::vector<std::pair<std::string, std::string>>& words) {
    auto mine = table;
    apply_words(mine, words);
    return other_problem(recipe_from(mine, name));
  };
  EXPECT_EQ(changed({}), "");
  EXPECT_EQ(changed({{"epochs", "3"}, {"horizon", "96"}, {"data", "/elsewhere/ETTh1.csv"}}), "");
  EXPECT_EQ(changed({{"horizon", "192"}}), "horizon");
  EXPECT_EQ(changed({{"data", "load.csv"}, {"input", "48"}}), "data.path, input");
  EXPECT_EQ(changed({{"data", "waves"}}), "data.kind, data.path");
  auto own = table;  // a recipe of one's own with promises of its own
  own.set_path("horizon", 192);
  own.set("reaches", Table{{"test/mse", 0.42}});
  EXPECT_EQ(other_problem(recipe_from(own, name)), "");
}

TEST(Run, APromiseThatIsNotMeasuredEndsNoRun) {
  const test::TemporaryFolder folder;
  const auto recipe = recipe_from(
      parse_toml(
          "task = \"classify\"\nreaches = { \"test/bleu\" = 30 }\n[model]\nname = \"mlp\"\nhidden = [8]\n[data]\nkind "
          "= \"shapes\"\n"
          "size = 16\ntrain = 32\nval = 16\ntest = 0\nclasses = 2\n[train]\nepochs = 1\nbatch = 16\nworkers = 0\n"
          "threads = 1\n",
          "small.toml"),
      "small");
  std::string said;
  const auto result =
      train_recipe(recipe, {.folder = folder.path(), .say = [&](const std::string& line) { said += line + "\n"; }});
  EXPECT_TRUE(result.done);
  EXPECT_THAT(said, testing::HasSubstr("the recipe promises test/bleu, which this run does not measure"));
  EXPECT_THAT(read_file(folder / "report.html"), testing::HasSubstr("30, not measured"));
}

TEST(Run, AResumedRunsReportKeepsItsPictures) {
  const test::TemporaryFolder folder;
  const auto recipe =
      recipe_from(parse_toml("task = \"classify\"\n[model]\nname = \"mlp\"\nhidden = [8]\n[data]\nkind = "
                             "\"shapes\"\nsize = 16\ntrain = 32\nval = 16\n"
                             "test = 0\nclasses = 2\n[train]\nepochs = 2\nbatch = 16\nworkers = 0\nthreads = 1\n",
                             "small.toml"),
                  "small");
  struct Stopper : Callback {
    void on_evaluation(const EvaluationEvent&) override { stop_requested() = true; }
  } stopper;
  const auto sit = [&](bool resume, std::vector<Callback*> listeners) {
    const auto result =
        train_recipe(recipe, {.folder = folder.path(), .resume = resume, .listeners = std::move(listeners)});
    stop_requested() = false;
    return result.done;
  };
  const auto report = [&] { return read_file(folder / "report.html"); };
  EXPECT_FALSE(sit(false, {&stopper}));
  const auto first = report();
  EXPECT_THAT(first, testing::HasSubstr("Confusion matrix"));
  stop_requested() = true;  // before anything is measured
  EXPECT_FALSE(sit(true, {}));
  EXPECT_EQ(report(), first);
  EXPECT_TRUE(sit(true, {}));
  EXPECT_THAT(report(), testing::HasSubstr("Confusion matrix"));
  EXPECT_TRUE(sit(true, {}));  // there was nothing left to do
  EXPECT_THAT(report(), testing::HasSubstr("Confusion matrix"));
}

TEST(Run, TheLastPicturesAreDrawnOnceAndAWishToEndIsHeard) {
  struct Painter : test::Regression {
    using Regression::Regression;
    std::vector<std::string> splits() const override { return {"train", "val", "test"}; }
    std::vector<Figure> figures() override {
      throw_if_stopped();
      return ++drawn, std::vector<Figure>{TextFigure{"Texts", {{"", fmt::format("drawing {}", drawn)}}}};
    }
    int drawn = 0;
  };
  const test::TemporaryFolder folder;
  Painter task({.norm = true});
  task.given = {0.5, 0.4, 0.3};
  auto config = test::quiet_config();
  config.epochs = 2;
  const Recipe recipe{.name = "small", .train = config};
  Trainer trainer(task, config, folder.path());
  RunFiles files(folder.path(), recipe, task, "", trainer, false);
  trainer.listen(files);
  EXPECT_TRUE(trainer.run().done);
  EXPECT_EQ(task.drawn, 1) << "of the first epoch's weights";
  RunResult result{.done = true};
  stop_requested() = true;
  EXPECT_THROW(files.finish(result), Stopped);
  stop_requested() = false;
  EXPECT_GT(files.finish(result), 0);
  EXPECT_EQ(task.drawn, 2);
  EXPECT_THAT(read_file(folder / "report.html"), testing::HasSubstr("drawing 2"));
  EXPECT_EQ(after_text(126), "; 2.1 more to score and draw what it ended with");
  EXPECT_EQ(after_text(1), "");
}

TEST(Run, AnEvaluationOfAResumedRunRemembersTheBestOfEarlierSittings) {
  const test::TemporaryFolder folder;
  auto recipe = recipe_from(
      parse_toml("task = \"classify\"\n[model]\nname = \"mlp\"\nhidden = [8]\n[data]\nkind = \"shapes\"\nsize = "
                 "16\ntrain = 32\nval = 16\n"
                 "test = 0\nclasses = 2\n[train]\nepochs = 6\nbatch = 16\nworkers = 0\nthreads = 1\noptimizer = "
                 "{ name = \"adamw\", lr = 0.02 }\n",
                 "small.toml"),
      "small");
  // Stops after each evaluation, so that every sitting has one, and reads what a run that was killed now would leave.
  struct Stopper : Callback {
    explicit Stopper(std::filesystem::path folder) : file(std::move(folder)) {}
    void on_evaluation(const EvaluationEvent& event) override {
      stop_requested() = event.state.step < event.state.steps;
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
