// What weights say of themselves, whoever wrote them.
#include "hadal/io/passport.h"

#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

struct Passports : testing::Test {
  /// One tensor, with these words.
  void write(const std::string& name, std::map<std::string, std::string> metadata = {}) {
    NamedTensors tensors;
    tensors.add("w", torch::ones({2}));
    tensors.metadata = std::move(metadata);
    write_safetensors(folder_ / name, tensors);
  }
  test::TemporaryFolder folder_;
};

TEST_F(Passports, OurOwnIsOneRecipe) {
  const nn::Linear layer(2, 1);
  const Table recipe{{"task", "classify"}, {"model", Table{{"name", "mlp"}}}, {"learned", Table{{"names", List{"a"}}}}};
  write_weights(folder_ / "own.safetensors", *layer, recipe, 7);
  const auto passport = read_passport(folder_ / "own.safetensors");
  EXPECT_EQ(passport.recipe, recipe);
  EXPECT_EQ(passport.by, "");
  EXPECT_EQ(passport.learned(), (Table{{"names", List{"a"}}}));
  EXPECT_EQ(passport.tensors.metadata.at("step"), "7");
  EXPECT_EQ(passport.tensors.size(), 2);
}

TEST_F(Passports, OlderEntriesAreWhatWasLearned) {
  write("old.safetensors", {{"config", "task = \"translate\"\nbeams = 3\n"},
                            {"classes", R"(["cat", "dog"])"},
                            {"labels", R"(["c", "d"])"},
                            {"tokenizer", "name = \"bpe\"\nmerges = [\"a b\"]\n"},
                            {"series", R"({"columns": ["x"], "mean": [0.5], "deviation": [2]})"}});
  const auto passport = read_passport(folder_ / "old.safetensors");
  const auto learned = passport.learned();
  EXPECT_EQ(*learned.find("names"), Value(List{"cat", "dog"}));
  EXPECT_EQ(*learned.find("labels"), Value(List{"c", "d"}));
  EXPECT_EQ(*learned.find_path("tokenizer.merges"), Value(List{"a b"}));
  EXPECT_EQ(*learned.find_path("series.mean"), Value(List{0.5}));
  EXPECT_EQ(*passport.recipe.find_path("predict.beams"), Value(3)) << "settings of verbs have moved to their sections";
  EXPECT_EQ(passport.recipe.find("beams"), nullptr);
}

TEST_F(Passports, SomebodyElsesWordIsNoRecipe) {
  write("theirs.safetensors", {{"config", "{ not TOML"}, {"classes", "10"}});
  EXPECT_TRUE(read_passport(folder_ / "theirs.safetensors").recipe.empty());
  write("theirs.safetensors", {{"config", "epochs = 3\n"}});
  EXPECT_TRUE(read_passport(folder_ / "theirs.safetensors").recipe.empty());
}

TEST_F(Passports, AFolderSaysWhatItIs) {
  write("published/model.safetensors");
  write_file(folder_ / "published/config.json", R"({"model_type": "gpt2", "n_head": 4})");
  write_file(folder_ / "published/generation_config.json", R"({"eos_token_id": 3})");
  for (const auto* what : {"published", "published/model.safetensors"}) {
    const auto passport = read_passport(folder_ / what);
    EXPECT_EQ(passport.by, "huggingface") << what;
    EXPECT_EQ(passport.word["config"]["n_head"], 4);
    EXPECT_EQ(passport.word["generation_config"]["eos_token_id"], 3);
  }
  write_file(folder_ / "published/config.json", R"({"model_type": )");
  EXPECT_ERROR(read_passport(folder_ / "published"), "config.json");
}

TEST_F(Passports, AFilesNameIsTheLastResort) {
  write("resnet18-f37072fd.pth");
  const auto passport = read_passport(folder_ / "resnet18-f37072fd.pth");
  EXPECT_EQ(passport.by, "name");
  EXPECT_EQ(passport.word["name"], "resnet18");
  write("resnet20-cifar.safetensors");
  EXPECT_EQ(read_passport(folder_ / "resnet20-cifar.safetensors").word["name"], "resnet20-cifar");
}

TEST_F(Passports, WhatIsNotThereIsNamed) {
  EXPECT_ERROR(read_passport(folder_ / "none.pt"), "there is no file or run folder");
  std::filesystem::create_directory(folder_ / "empty");
  EXPECT_ERROR(read_passport(folder_ / "empty"), "is a folder with neither config.toml nor model.safetensors");
  write_file(folder_ / "run/config.toml", "task = \"classify\"\n");
  EXPECT_ERROR(read_passport(folder_ / "run"), "is not there yet: the run has not been evaluated once");
  write_file(folder_ / "x.weights", std::string("\0\0\0\0\2\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\x3f", 24));
  EXPECT_ERROR(read_passport(folder_ / "x.weights", "none.cfg"), "there is no file none.cfg; cfg=FILE says how");
  EXPECT_ERROR(read_passport(folder_ / "x.weights"), "has no x.cfg beside it; cfg=FILE says how its network is built");
}

}  // namespace
}  // namespace hadal
