#include "hadal/tasks/text/translate.h"

#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/io/weights.h"
#include "hadal/train/trainer.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

const std::vector<std::pair<std::string, std::string>> kWords = {{"one", "eins"}, {"two", "zwei"},  {"three", "drei"},
                                                                 {"dog", "Hund"}, {"cat", "Katze"}, {"\xC3\xBC", "ue"}};

/// Texts of two or three words, to be translated word by word.
void write_corpus(const test::TemporaryFolder& folder) {
  std::string source, target;
  for (size_t a = 0; a < kWords.size(); ++a)
    for (size_t b = 0; b < kWords.size(); ++b) {
      source += kWords[a].first + " " + kWords[b].first;
      target += kWords[a].second + " " + kWords[b].second;
      if ((a + b) % 3 == 0) source += " " + kWords[a].first, target += " " + kWords[a].second;
      source += "\n", target += "\n";
    }
  for (const auto* split : {"train", "val", "test"}) {
    write_file(folder / (std::string(split) + ".en"), source);
    write_file(folder / (std::string(split) + ".de"), target);
  }
}

Table settings(const test::TemporaryFolder& folder) {
  return {{"model", Table{{"name", "transformer"},
                          {"dim", 32},
                          {"heads", 2},
                          {"mlp", 64},
                          {"encoder_layers", 1},
                          {"decoder_layers", 1},
                          {"dropout", 0.0},
                          {"norm_first", true}}},
          {"data", Table{{"kind", "files"}, {"path", folder.path().string()}}},
          {"tokenizer", Table{{"name", "bpe"}, {"size", 290}}},
          {"tokens", 128}};
}

std::unique_ptr<Task> make(const Table& table, TaskContext context = {}) {
  context.batch = 8;
  context.workers = 1;
  context.seed = 1;
  return tasks().make({"translate", table}, context);
}

}  // namespace

TEST(Translate, LearnsASmallLanguageByHeart) {
  test::TemporaryFolder folder;
  write_corpus(folder);
  auto task = make(settings(folder));
  EXPECT_THAT(task->summary(), testing::HasSubstr("36 training texts"));
  Trainer trainer(*task, {.epochs = 60,
                          .optimizer = {"adam", {{"lr", 5e-3}}},
                          .clip = 1,
                          .precision = "fp32",
                          .device = "cpu",
                          .evaluate_every = 60,
                          .checkpoint_seconds = 0});
  trainer.run();
  task->model().eval();
  const auto metrics = task->evaluate("test", 0);
  ASSERT_EQ(metrics.size(), 3u);
  EXPECT_EQ(metrics[1].first, "bleu");
  EXPECT_LT(metrics[0].second, 0.2);
  EXPECT_GT(metrics[2].second, 95);

  // The weights alone are enough to translate: they carry the tokenizer.
  const auto weights = folder / "w.safetensors";
  save_weights(weights, task->model(), task->metadata());
  auto loaded = make(write_config([&] {
                       TranslateConfig config;
                       read_config(config, task->settings());
                       return config;
                     }()),
                     {.open_data = false, .train_data = false, .weights = weights});
  write_file(folder / "in.txt", "dog cat\n\n\xC3\xBC one\n");
  std::vector<std::string> lines;
  EXPECT_EQ(loaded->predict({.inputs = {(folder / "in.txt").string()}, .out = folder / "out"},
                            [&](const std::string& line) { lines.push_back(line); }),
            3);
  ASSERT_EQ(lines.size(), 3u);
  const auto first = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(first["input"].get<std::string>(), (folder / "in.txt").string() + ":1");
  EXPECT_EQ(first["text"], "dog cat");
  EXPECT_EQ(first["translation"], "Hund Katze");
  EXPECT_EQ(read_file(folder / "out/translations.txt"), "Hund Katze\n\nue eins\n");
  EXPECT_EQ(read_file(folder / "out/predictions.jsonl"), lines[0] + "\n" + lines[1] + "\n" + lines[2] + "\n");

  write_file(folder / "bad.txt", "caf\xE9\n");
  EXPECT_ERROR(loaded->predict({.inputs = {(folder / "bad.txt").string()}, .out = folder / "out"}, [](const auto&) {}),
               "bad.txt at byte 3: not UTF-8");
}

// What config.toml keeps makes the same task again, with what its tokenizer learned.
TEST(Translate, ComesBackFromItsSettings) {
  test::TemporaryFolder folder;
  write_corpus(folder);
  const auto task = make(settings(folder));
  const auto again = make(parse_toml(to_toml(task->settings()), "config.toml"));
  EXPECT_EQ(again->metadata(), task->metadata());
  EXPECT_EQ(again->summary(), task->summary());
  std::vector<std::string> names;
  for (const auto& [name, value] : task->evaluate("val", 2)) names.push_back(name);
  EXPECT_THAT(names, testing::UnorderedElementsAreArray(task->metric_names()));
}

TEST(Translate, BatchesDependOnSeedAndEpochAlone) {
  test::TemporaryFolder folder;
  write_corpus(folder);
  const auto losses = [&](int64_t workers, int64_t epoch, int64_t first) {
    auto task = tasks().make({"translate", settings(folder)}, TaskContext{.workers = workers, .seed = 1});
    task->batches().start(epoch, first);
    std::vector<double> out;
    while (task->batches().next()) out.push_back(task->losses(0).total.item<double>());
    return out;
  };
  const auto whole = losses(2, 1, 0);
  EXPECT_EQ(whole, losses(0, 1, 0));
  const auto later = losses(1, 1, 1);
  EXPECT_TRUE(std::equal(later.begin(), later.end(), whole.begin() + 1, whole.end()));
  EXPECT_NE(whole, losses(0, 2, 0));
}

TEST(Translate, MistakesSayTheWayOut) {
  test::TemporaryFolder folder;
  write_corpus(folder);
  auto table = settings(folder);
  table.set_path("model.vocabulary", 77);
  EXPECT_ERROR(make(table), "model.vocabulary is 77 and the tokenizer has, with padding, start and end, ");
  table = settings(folder);
  table.set("longest", 2);
  EXPECT_THAT(make(settings(folder))->summary(), testing::Not(testing::HasSubstr("left out")));
  EXPECT_ERROR(Trainer(*make(table), {.precision = "fp32", .device = "cpu"}),
               "training texts are empty or longer than longest=2 tokens");
  table = settings(folder);
  table.set_path("model.positions", "learned");
  table.set_path("model.longest", 40);
  EXPECT_ERROR(make(table), "longest = 200 tokens, and the model has 40 learned positions: lower it or raise");
  table.set("longest", 40);
  const auto learned = make(table);
  EXPECT_ERROR(learned->predict({.texts = {std::string(41, '.')}, .out = folder / "out"}, [](const auto&) {}),
               "text has 43 tokens, and the model 40 learned positions");
  write_file(folder / "test.en", "dog\n" + std::string(41, '.') + "\n");
  write_file(folder / "test.de", "Hund\n.\n");
  EXPECT_ERROR(make(table)->evaluate("test", 0), "test text 2 has 43 tokens, and the model 40 learned positions");
  std::filesystem::remove(folder / "train.en");
  std::filesystem::remove(folder / "train.de");
  EXPECT_ERROR(make(settings(folder)), "there is no training text to learn one from");
}
