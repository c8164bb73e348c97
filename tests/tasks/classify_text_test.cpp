#include "hadal/core/random.h"
#include "hadal/tasks/classify_text.h"

#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/io/weights.h"
#include "hadal/train/trainer.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

/// Whether a text says "good" is its label.
std::string table(int count) {
  static const char* words[] = {"day", "night", "sea", "ship", "fish", "rope"};
  std::string out = "verdict,what\n";
  for (int i = 0; i < count; ++i)
    out += fmt::format("{},{} {} {}\n", i % 2 ? "yes" : "no", words[i % 6], i % 2 ? "good" : "bad", words[i / 6 % 6]);
  return out;
}

Table settings(const test::TemporaryFolder& folder) {
  return {
      {"model", Table{{"name", "text_encoder"}, {"dim", 16}, {"heads", 2}, {"mlp", 32}, {"depth", 1}, {"context", 12}}},
      {"data", Table{{"kind", "table"},
                     {"path", (folder / "train.csv").string()},
                     {"test", (folder / "test.csv").string()},
                     {"text", "what"},
                     {"label", "verdict"}}},
      {"tokenizer", Table{{"name", "bpe"}, {"size", 280}}},
      {"tokens", 256}};
}

std::unique_ptr<Task> make(const Table& table, TaskContext context = {}) {
  context.batch = 8;
  context.workers = 1;
  return tasks().make({"classify_text", table}, context);
}

}  // namespace

TEST(ClassifyText, LearnsATableAndReadsTextsByItsWeightsAlone) {
  test::TemporaryFolder folder;
  write_file(folder / "train.csv", table(120));
  write_file(folder / "test.csv", table(30));
  auto task = make(settings(folder));
  Trainer trainer(*task, {.epochs = 20,
                          .optimizer = {"adam", {{"lr", 1e-2}}},
                          .precision = "fp32",
                          .device = "cpu",
                          .evaluate_every = 20,
                          .checkpoint_seconds = 0});
  trainer.run();
  const auto metrics = task->evaluate("test", 0);
  EXPECT_EQ(metrics[1].first, "accuracy");
  EXPECT_EQ(metrics[1].second, 1);
  EXPECT_EQ(task->figures().size(), 1u);
  const auto weights = folder / "w.safetensors";
  save_weights(weights, task->model(), task->metadata());
  auto loaded = make(task->settings(), {.open_data = false, .train_data = false, .weights = weights});
  std::vector<std::string> lines;
  EXPECT_EQ(loaded->predict({.texts = {"ship good rope"}, .out = folder / "out"},
                            [&](const std::string& line) { lines.push_back(line); }),
            1);
  const auto json = nlohmann::json::parse(lines.at(0));
  EXPECT_EQ(json["input"], "text");
  EXPECT_EQ(json["top"][0]["class"], "yes");
  EXPECT_GT(json["top"][0]["score"], 0.9);
  EXPECT_EQ(json["top"].size(), 2u);
}

TEST(ClassifyText, LongTextsAreCutAndEmptyOnesRead) {
  test::TemporaryFolder folder;
  std::string noise;  // what no byte pairs shorten
  for (Random random(1, {}); noise.size() < 500;) noise += static_cast<char>('a' + random.below(26));
  write_file(folder / "train.csv", table(40) + "yes,\nno," + noise + "\n");
  write_file(folder / "test.csv", table(4));
  auto task = make(settings(folder));
  EXPECT_THAT(task->summary(), testing::HasSubstr("(1 cut to 12 tokens)"));
  task->start_epoch(0, 0);
  while (task->next_batch()) EXPECT_TRUE(std::isfinite(task->losses(0).total.item<double>()));
}

TEST(ClassifyText, MistakesSayTheWayOut) {
  test::TemporaryFolder folder;
  write_file(folder / "train.csv", table(40));
  write_file(folder / "test.csv", "what,verdict\nx,yse\n");
  auto task = make(settings(folder));
  EXPECT_ERROR(task->evaluate("test", 0), "[classify_text] the test text 1 has the label \"yse\"; nearest: yes");
  auto other = settings(folder);
  other.set_path("model.classes", 3);
  EXPECT_ERROR(make(other), "model.classes is 3 and the classes are 2");
  write_file(folder / "train.csv", "what,verdict\nx,yes\ny,yes\n");
  other = settings(folder);
  other.set_path("data.val_share", 0.0);
  EXPECT_ERROR(make(other), "all labels are \"yes\"; two classes at least are needed");
}
