#include "hadal/train/recipe.h"

#include "hadal/io/file.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

Table small_table() {
  return parse_toml("task = \"classify\"\nmodel = \"mlp\"\n[data]\nkind = \"shapes\"\n[train]\noptimizer = \"sgd\"\n",
                    "small.toml");
}

Recipe with(const Settings& settings) {
  auto table = small_table();
  apply_words(table, settings);
  auto recipe = recipe_from(table, "small");
  recipe.resolve();
  return recipe;
}

TEST(Recipe, WordsFindTheirPlace) {
  const auto recipe = with({{"epochs", "3"}, {"batch", "7"}, {"lr", "0.5"}, {"momentum", "0.9"}, {"dropout", "0.2"}});
  EXPECT_EQ(recipe.train.epochs, 3);
  EXPECT_EQ(recipe.train.batch, 7);
  EXPECT_EQ(recipe.train.optimizer.name, "sgd");
  EXPECT_EQ(recipe.train.optimizer.settings.find("lr")->text(), "0.5");
  EXPECT_EQ(recipe.train.optimizer.settings.find("momentum")->text(), "0.9");
  EXPECT_TRUE(recipe.task.settings.find_path("model.dropout"));
}

TEST(Recipe, TheRateIsThatOfTheOptimiserWhereverItStands) {
  const auto muon = with({{"optimizer", "muon"}, {"lr", "0.02"}}).train.optimizer.settings;
  EXPECT_EQ(muon.find("lr")->text(), "0.02");
  EXPECT_EQ(muon.find_path("adamw.lr")->text(), "0.001");
  const auto sam = with({{"optimizer", "sam"}, {"base", "adamw"}, {"lr", "0.02"}}).train.optimizer.settings;
  EXPECT_EQ(sam.find_path("base.lr")->text(), "0.02");
  EXPECT_EQ(sam.find_path("base.name")->text(), "\"adamw\"");
  // The usual optimizer, which the recipe does not name.
  auto table = small_table();
  table.set("train", Table{{"epochs", 3}});
  apply_words(table, {{"lr", "0.02"}});
  const auto train = recipe_from(table, "small").train;
  EXPECT_EQ(train.optimizer.name, "adamw");
  EXPECT_EQ(train.optimizer.settings.find("lr")->text(), "\"0.02\"");
}

TEST(Recipe, APartKeepsItsSettingsWhenItsKindIsChanged) {
  const auto recipe = with({{"optimizer.weight_decay", "0.1"}, {"optimizer", "adamw"}});
  EXPECT_EQ(recipe.train.optimizer.name, "adamw");
  EXPECT_EQ(recipe.train.optimizer.settings.find("weight_decay")->text(), "0.1");
}

TEST(Recipe, AnotherKindLeavesTheOldOnesSettingsBehind) {
  auto table = small_table();
  table.set_path("train.optimizer", Table{{"name", "sgd"}, {"momentum", 0.9}});
  apply_words(table, {{"lr", "0.01"}, {"optimizer", "adamw"}});
  EXPECT_FALSE(table.find_path("train.optimizer.momentum"));
  EXPECT_EQ(recipe_from(table, "small").train.optimizer.settings.find("lr")->text(), "\"0.01\"");
  apply_words(table, {{"optimizer", "adamw"}});
  EXPECT_TRUE(table.find_path("train.optimizer.lr"));
}

TEST(Recipe, ASectionGoesByItsOwnName) {
  auto table = small_table();
  apply_words(table, {{"early_stopping.patience", "3"}});
  EXPECT_EQ(recipe_from(table, "small").train.early_stopping.patience, 3);
  auto averaged = small_table();
  apply_words(averaged, {{"swa.begin", "0.5"}});
  EXPECT_TRUE(recipe_from(averaged, "small").train.swa.on());
  EXPECT_ERROR(apply_words(table, {{"early_stoping.patience", "3"}}), "unknown setting early_stoping.patience");
}

TEST(Recipe, HowSamplesAreDrawnIsASettingOfTheirScores) {
  Table table{{"task", "diffusion"}};
  apply_words(table, {{"steps", "20"}, {"sampler", "heun"}, {"batch", "8"}, {"seed", "3"}}, {}, "eval");
  EXPECT_TRUE(table.find_path("generate.steps"));
  EXPECT_TRUE(table.find_path("generate.sampler"));
  EXPECT_TRUE(table.find_path("train.seed"));
  EXPECT_ERROR(apply_words(table, {{"n", "20"}}, {}, "eval"), "unknown setting n");
  EXPECT_ERROR(apply_words(table, {{"strength", "0.2"}}, {}, "eval"), "unknown setting strength");
  Table writer{{"task", "language"}};
  EXPECT_ERROR(apply_words(writer, {{"temperature", "0.5"}}, {}, "eval"), "unknown setting temperature");
}

TEST(Recipe, WhatAVerbDoesNothingWithIsRefused) {
  Table gan{{"task", "gan"}};
  for (const auto* verb : {"generate", "eval"}) {
    EXPECT_ERROR(apply_words(gan, {{"steps", "3"}}, {}, verb), "train.steps is for training: hadal");
    EXPECT_ERROR(apply_words(gan, {{"optimizer", "sgd"}}, {}, verb), "train.optimizer is for training: hadal");
  }
  EXPECT_ERROR(apply_words(gan, {{"judge.samples", "3"}}, {}, "generate"),
               "judge.samples is for training and scores: hadal generate does nothing with it");
  apply_words(gan, {{"judge.samples", "3"}, {"limit", "4"}}, {}, "eval");
  apply_words(gan, {{"steps", "3"}});
}

TEST(Recipe, WhatAModelPredictsWithIsASettingOfItsScores) {
  Table table{{"task", "pose"}, {"model", "simplebaseline_resnet18"}};
  apply_words(table, {{"detector", "runs/detect"}, {"flip_test", "false"}}, {}, "eval");
  EXPECT_EQ(table.find_path("predict.detector")->text(), "\"runs/detect\"");
  EXPECT_TRUE(table.find_path("predict.flip_test"));
  EXPECT_ERROR(apply_words(table, {{"detector", "runs/detect"}}), "unknown setting detector");
}

TEST(Recipe, DataTakesAPath) {
  auto table = small_table();
  apply_words(table, {{"data", "pictures.tar.gz"}});
  EXPECT_TRUE(table.find_path("data.path"));
  auto kind = small_table();
  apply_words(kind, {{"data", "idx"}});
  EXPECT_FALSE(kind.find_path("data.path"));
}

TEST(Recipe, APathGoesToAKindOfDataThatHasOne) {
  auto table = small_table();
  apply_words(table, {{"data", "photos"}});
  EXPECT_EQ(table.find("data")->text(), "{ kind = \"auto\", path = \"photos\" }");
  apply_words(table, {{"data", "others"}, {"data.kind", "folder"}});
  EXPECT_EQ(table.find("data")->text(), "{ kind = \"folder\", path = \"others\" }");
  table = parse_toml("task = \"forecast\"\ndata = \"waves\"\n", "waves.toml");
  apply_words(table, {{"data", "load.csv"}});
  EXPECT_EQ(table.find("data")->text(), "{ kind = \"csv\", path = \"load.csv\" }");
}

TEST(Recipe, APartByItsNameAloneTakesSettings) {
  auto table = parse_toml("task = \"classify\"\ndata = \"shapes\"\n", "short.toml");
  apply_words(table, {{"data.size", "32"}});
  EXPECT_EQ(table.find("data")->text(), "{ kind = \"shapes\", size = \"32\" }");
  EXPECT_NO_THROW(tasks().resolve(recipe_from(table, "short").task));
}

TEST(Recipe, PathsHoldWhereverTheProgramIsStarted) {
  const auto here = std::filesystem::current_path();
  const auto paths = [](const std::string& text) {
    auto table = parse_toml(text, "t.toml");
    if (!table.find("task")) table.set("task", "classify");
    auto recipe = recipe_from(table, "t");
    recipe.settle_paths();
    return recipe;
  };
  auto recipe = paths("[data]\nkind = \"folder\"\npath = \"./photos\"\n[train]\nweights = \"a.pth\"\n");
  EXPECT_EQ(recipe.task.settings.find_path("data.path")->text(), Value((here / "photos").string()).text());
  EXPECT_EQ(recipe.train.weights, (here / "a.pth").string());
  recipe = paths("[data]\nkind = \"idx\"\npath = \"$DATA/mnist\"\nval = 5\n");
  EXPECT_EQ(recipe.task.settings.find_path("data.path")->text(), "\"$DATA/mnist\"");
  EXPECT_EQ(recipe.task.settings.find_path("data.val")->text(), "5");
  EXPECT_EQ(recipe.train.weights, "");
  recipe = paths(
      "task = \"classify_text\"\n[data]\nkind = \"table\"\npath = \"/a.csv\"\nval = \"b.csv\"\ntest = \"\"\n"
      "[tokenizer]\nname = \"huggingface\"\npath = \"t.json\"\n");
  const auto& settings = recipe.task.settings;
  EXPECT_EQ(settings.find_path("data.path")->text(), "\"/a.csv\"");
  EXPECT_EQ(settings.find_path("data.val")->text(), Value((here / "b.csv").string()).text());
  EXPECT_EQ(settings.find_path("data.test")->text(), "\"\"");
  EXPECT_EQ(settings.find_path("tokenizer.path")->text(), Value((here / "t.json").string()).text());
  recipe = paths("task = \"translate\"\n[data]\nkind = \"files\"\npath = \"$DATA/m\"\nval = \"dev\"\n");
  EXPECT_EQ(recipe.task.settings.find_path("data.val")->text(), "\"dev\"");  // a name within the folder
}

TEST(Recipe, SaysWhichNameIsMeant) {
  EXPECT_ERROR(with({{"epoch", "3"}}), "unknown setting epoch; nearest: epochs");
  EXPECT_ERROR(with({{"optimizer", "sgd"}, {"momentun", "0.9"}}), "unknown setting momentun; nearest: momentum");
  EXPECT_ERROR(with({{"schedule", "cosine"}, {"warmpu", "3"}}), "unknown setting warmpu; nearest: warmup");
  EXPECT_ERROR(with({{"early_stopping.min_delta", "0.1"}}), "has a min_delta but no patience");
  EXPECT_ERROR(with({{"size", "3"}}), "could be");  // of the data's pictures, or of the prepared ones
  EXPECT_ERROR(with({{"optimizer.lrr", "3"}}), "lr");
  EXPECT_ERROR(with({{"train.batch", "none"}}), "train.batch");
}

TEST(Recipe, ComesBackFromItsConfigAsItWas) {
  auto recipe = with({{"epochs", "3"}, {"lr", "0.1"}, {"seed", "7"}, {"precision", "bf16"}});
  recipe.about = "with \"quotes\", a # and \\ in it";
  const auto text = to_toml(recipe.table());
  auto back = recipe_from(parse_toml(text, "config.toml"), "small");
  back.resolve();
  EXPECT_EQ(to_toml(back.table()), text);
}

TEST(Recipe, APartWithinAPartComesBackToo) {
  const auto recipe = with({{"optimizer", "sam"},
                            {"base", "muon"},
                            {"base.lr", "0.1"},
                            {"base.adamw.amsgrad", "true"},
                            {"base.adamw_for", "a,b"},
                            {"adjust_lr_fn", "original"}});
  auto back = recipe_from(parse_toml(to_toml(recipe.table()), "config.toml"), "small");
  back.resolve();
  EXPECT_EQ(to_toml(back.table()), to_toml(recipe.table()));
  EXPECT_NO_THROW(optimizers().make(back.train.optimizer, {}));
}

TEST(Recipe, EveryRecipeOfTheHouseIsWhole) {
  for (const auto& entry : std::filesystem::directory_iterator(test::source() / "recipes")) {
    SCOPED_TRACE(entry.path().string());
    std::string name;
    auto recipe = recipe_from(load_recipe_table(entry.path().string(), name), name);
    EXPECT_NO_THROW(recipe.resolve());
    EXPECT_NO_THROW(tasks().at(recipe.task.name));
    EXPECT_FALSE(recipe.about.empty());
    EXPECT_EQ(recipe.reaches.empty(), tasks().find(name) != nullptr) << "a task's own recipe is for data of any kind";
  }
}

TEST(Recipe, WhatItReachesAreNumbers) {
  EXPECT_ERROR(recipe_from(parse_toml("task = \"classify\"\nreaches = { \"val/accuracy\" = \"0.5\" }", "r.toml"), "r"),
               "reaches.val/accuracy wants a number, got \"0.5\"");
}

}  // namespace
}  // namespace hadal
