#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/io/weights.h"
#include "hadal/tasks/series/classify_series.h"
#include "hadal/train/trainer.h"

#include "tests/data/sound/sounds_drawn.h"
#include "tests/support/support.h"

using namespace hadal;

namespace {

/// Twelve sounds a label, each a little higher than the one before.
void draw(const test::TemporaryFolder& folder, const std::string& label, double pitch, int64_t count = 12) {
  for (int64_t i = 0; i < count; ++i)
    write_file(folder / fmt::format("{}_anna_{}.wav", label, i), test::tone(pitch * (1 + 0.01 * double(i))));
}

Table settings(const test::TemporaryFolder& folder) {
  return {
      {"model", Table{{"name", "series_classifier"},
                      {"head_dropout", 0.0},
                      {"encoder", Table{{"dim", 16}, {"heads", 2}, {"mlp", 32}, {"depth", 1}, {"dropout", 0.0}}}}},
      {"data", Table{{"kind", "sounds"}, {"path", folder.path().string()}, {"length", 32}, {"test", 2}, {"val", 1}}}};
}

std::unique_ptr<Task> make(const Table& table, TaskContext context = {}) {
  context.batch = 6;
  context.workers = 1;
  return tasks().make({"classify_series", table}, context);
}

}  // namespace

TEST(ClassifySeries, LearnsSoundsAndKnowsThemByTheirLabels) {
  const test::TemporaryFolder folder;
  draw(folder, "high", 1.5);
  draw(folder, "low", 0.2);
  auto own = settings(folder);
  own.set("names", List{"a whistle", "a hum"});  // names for people; files go on being called high and low
  const auto task = make(own);
  Trainer trainer(*task, {.epochs = 30,
                          .optimizer = {"adam", {{"lr", 3e-3}}},
                          .precision = "fp32",
                          .device = "cpu",
                          .evaluate_every = 30,
                          .checkpoint_seconds = 0});
  trainer.run();
  const auto accuracy = [](Task& task) { return task.evaluate("test", 0).at(1); };
  EXPECT_EQ(accuracy(*task), (Metrics::value_type{"accuracy", 1.0}));
  const auto weights = folder / "w.safetensors";
  save_weights(weights, task->model(), task->metadata());

  // A folder with one of the classes alone, which would be number 0 by its place.
  const test::TemporaryFolder lows, strange;
  draw(lows, "low", 0.21, 2);
  const auto judge = [&](const test::TemporaryFolder& data) {
    auto table = task->settings();
    table.set_path("data.path", data.path().string());
    return make(table, {.train_data = false, .weights = weights});
  };
  EXPECT_EQ(accuracy(*judge(lows)).second, 1);
  draw(strange, "mid", 0.5, 2);
  EXPECT_ERROR(judge(strange), "the label \"mid\" is none of the model's: high, low");

  const auto loaded = make(task->settings(), {.open_data = false, .train_data = false, .weights = weights});
  std::vector<std::string> lines;
  EXPECT_EQ(loaded->predict({.inputs = {(folder / "low_anna_0.wav").string()}, .out = folder / "out"},
                            [&](const std::string& line) { lines.push_back(line); }),
            1);
  const auto json = nlohmann::json::parse(lines.at(0));
  EXPECT_EQ(json["top"][0]["class"], "a hum");
  EXPECT_EQ(json["top"].size(), 2u);
}
