#include "hadal/train/optimizer_bench.h"

#include "hadal/train/trainer.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

/// A perceptron on shapes that Hadal draws: a second for some dozen trainings.
Recipe small_recipe() {
  return recipe_from(
      parse_toml("task = \"classify\"\n[model]\nname = \"mlp\"\nhidden = [16]\n[data]\nkind = \"shapes\"\nsize = "
                 "16\ntrain = 64\nval = 32\n"
                 "test = 0\nclasses = 2\n[train]\nbatch = 16\nworkers = 0\nthreads = 1\nprecision = \"fp32\"\n",
                 "small.toml"),
      "small");
}

TEST(OptimizerBench, ComparesWhatItIsGiven) {
  std::vector<std::string> said;
  const auto table =
      compare_optimizers(small_recipe(), {.optimizers = {"sgd", "adamw", "adam"}, .steps = 12, .climb = 2},
                         [&](const std::string& line) { said.push_back(line); });
  ASSERT_EQ(table.rows.size(), 3U);
  ASSERT_EQ(said.size(), 3U);
  EXPECT_TRUE(said[0].starts_with("adamw: val/accuracy "));  // it sets the time
  EXPECT_EQ(table.metric, "val/accuracy");
  EXPECT_GT(table.parameters, 1000);
  EXPECT_GT(table.seconds, 0);
  for (size_t i = 0; i < 3; ++i) {
    const auto& row = table.rows[i];
    SCOPED_TRACE(row.optimizer);
    EXPECT_EQ(row.problem, "");
    EXPECT_GE(row.at_steps, 0.4);
    EXPECT_LE(row.at_steps, 1);
    EXPECT_GT(row.step_ms, 0);
    if (i > 0) EXPECT_LE(row.at_steps, table.rows[i - 1].at_steps);
    // Two moments of four bytes; momentum alone; the count of the steps costs next to nothing.
    EXPECT_NEAR(row.state_bytes, row.optimizer == "sgd" ? 4 : 8, 0.2);
    const auto times = row.lr / 1e-3;
    EXPECT_NEAR(std::log2(times) / 2, std::round(std::log2(times) / 2), 1e-9) << "lr is the default x 4^n";
  }
  const auto page = table.markdown();
  EXPECT_THAT(page, testing::HasSubstr("after 12 steps"));
  EXPECT_THAT(page, testing::HasSubstr("| `sgd` |"));
  const auto csv = table.csv();
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4);
}

TEST(OptimizerBench, SaysWhyAMethodCannotTakePart) {
  auto recipe = small_recipe();
  recipe.train.accumulate = 2;  // which methods that evaluate a batch again do not take
  const auto table = compare_optimizers(recipe, {.optimizers = {"lbfgs", "adamw"}, .steps = 4, .climb = 0});
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0].optimizer, "adamw");
  EXPECT_THAT(table.rows[1].problem, testing::HasSubstr("evaluates each batch more than once"));
  EXPECT_THAT(table.markdown(), testing::HasSubstr("evaluates each batch more than once"));
  EXPECT_EQ(table.csv().find("lbfgs"), std::string::npos);
}

TEST(OptimizerBench, AMethodAroundAnotherHasItsRate) {
  const auto table = compare_optimizers(small_recipe(), {.optimizers = {"sam"}, .steps = 4, .climb = 1});
  ASSERT_EQ(table.rows.size(), 1U);
  EXPECT_EQ(table.rows[0].problem, "");
  const auto times = std::log(table.rows[0].lr / 1e-3) / std::log(4);
  EXPECT_NEAR(times, std::round(times), 1e-9);
  EXPECT_NEAR(table.rows[0].state_bytes, 4, 0.2);  // its SGD has momentum
}

TEST(OptimizerBench, KeepsWhatIsThereWhenItIsStopped) {
  std::vector<size_t> kept;
  const auto keep = [&](const OptimizerTable& table) { kept.push_back(table.rows.size()); };
  const OptimizerBenchConfig config{.optimizers = {"adamw", "sgd"}, .steps = 4, .climb = 0};
  compare_optimizers(small_recipe(), config, {}, keep);
  EXPECT_EQ(kept, (std::vector<size_t>{1, 2}));
  kept.clear();
  auto table = compare_optimizers(small_recipe(), config, [](const std::string&) { stop_requested() = true; }, keep);
  EXPECT_EQ(table.rows.size(), 1U);
  EXPECT_EQ(kept, std::vector<size_t>{1});
  table = compare_optimizers(small_recipe(), config);  // stopped in the middle of the first
  stop_requested() = false;
  EXPECT_TRUE(table.rows.empty());
}

TEST(OptimizerBench, RefusesUnknownNames) {
  EXPECT_ERROR((OptimizerBenchConfig{.optimizers = {"adamv"}}.validate()),
               "unknown optimizer \"adamv\"; nearest: adam");
}

}  // namespace
}  // namespace hadal
