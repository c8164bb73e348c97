#include "hadal/tasks/text/translate.h"

#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/train/trainer.h"

#include "tests/support/support.h"
#include "tests/support/trained.h"

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

Table translate_settings(const test::TemporaryFolder& folder) {
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

std::unique_ptr<Task> make_translator(const Table& table, const Table& learned = {}) {
  TaskContext context;
  context.batch = 8;
  context.workers = 1;
  context.seed = 1;
  context.learns = true;
  context.learned = learned;
  return tasks().make({"translate", table}, context);
}

}  // namespace

TEST(Translate, LearnsASmallLanguageByHeart) {
  test::TemporaryFolder folder;
  write_corpus(folder);
  auto task = make_translator(translate_settings(folder));
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
  test::save_task(*task, "translate", weights);
  const auto loaded = load_translator(weights);
  EXPECT_EQ((*loaded)("dog cat"), "Hund Katze");
  write_file(folder / "in.txt", "dog cat\n\n\xC3\xBC one\n");
  const auto lines = test::predicted(*loaded, {(folder / "in.txt").string()}, {}, {}, folder / "out");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0]["input"].get<std::string>(), (folder / "in.txt").string() + ":1");
  EXPECT_EQ(lines[0]["text"], "dog cat");
  EXPECT_EQ(lines[0]["translation"], "Hund Katze");
  EXPECT_EQ(read_file(folder / "out/translations.txt"), "Hund Katze\n\nue eins\n");
  write_file(folder / "bad.txt", "caf\xE9\n");
  EXPECT_THAT(test::predicted(*loaded, {(folder / "bad.txt").string()}).at(0)["error"].get<std::string>(),
              testing::HasSubstr("bad.txt at byte 3: not UTF-8"));
}

// What config.toml keeps makes the same task again, with what its tokenizer learned.
TEST(Translate, ComesBackFromItsSettings) {
  test::TemporaryFolder folder;
  write_corpus(folder);
  const auto task = make_translator(translate_settings(folder));
  const auto again = make_translator(parse_toml(to_toml(task->settings()), "config.toml"),
                                     parse_toml(to_toml(task->learned()), "config.toml"));
  EXPECT_EQ(again->learned(), task->learned());
  EXPECT_EQ(again->summary(), task->summary());
  std::vector<std::string> names;
  for (const auto& [name, value] : task->evaluate("val", 2)) names.push_back(name);
  std::vector<std::string> said;
  for (const auto& score : task->scores()) said.push_back(score.name);
  EXPECT_THAT(names, testing::UnorderedElementsAreArray(said));
}

TEST(Translate, BatchesDependOnSeedAndEpochAlone) {
  test::TemporaryFolder folder;
  write_corpus(folder);
  const auto losses = [&](int64_t workers, int64_t epoch, int64_t first) {
    TaskContext context;
    context.workers = workers, context.seed = 1, context.learns = true;
    auto task = tasks().make({"translate", translate_settings(folder)}, context);
    task->batches().start(epoch, first);
    std::vector<double> out;
    while (task->batches().next()) out.push_back(task->losses({}).total.item<double>());
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
  auto table = translate_settings(folder);
  table.set_path("model.vocabulary", 77);
  EXPECT_ERROR(make_translator(table), "model.vocabulary is 77 and the tokenizer has, with padding, start and end, ");
  table = translate_settings(folder);
  table.set("longest", 2);
  EXPECT_THAT(make_translator(translate_settings(folder))->summary(), testing::Not(testing::HasSubstr("left out")));
  EXPECT_ERROR(Trainer(*make_translator(table), {.precision = "fp32", .device = "cpu"}),
               "training texts are empty or longer than longest=2 tokens");
  table = translate_settings(folder);
  table.set_path("model.positions", "learned");
  table.set_path("model.longest", 40);
  EXPECT_ERROR(make_translator(table),
               "longest = 200 tokens, and the model has 40 learned positions: lower it or raise");
  table.set("longest", 40);
  const auto learned = make_translator(table);
  test::save_task(*learned, "translate", folder / "w.safetensors");
  const auto lines = test::predicted(*load_translator(folder / "w.safetensors"), {}, {std::string(41, '.')});
  EXPECT_THAT(lines.at(0)["error"].get<std::string>(),
              testing::HasSubstr("text has 43 tokens, and the model 40 learned positions"));
  write_file(folder / "test.en", "dog\n" + std::string(41, '.') + "\n");
  write_file(folder / "test.de", "Hund\n.\n");
  EXPECT_ERROR(make_translator(table)->evaluate("test", 0),
               "test text 2 has 43 tokens, and the model 40 learned positions");
  std::filesystem::remove(folder / "train.en");
  std::filesystem::remove(folder / "train.de");
  EXPECT_ERROR(make_translator(translate_settings(folder)), "there is no training text to learn one from");
}
