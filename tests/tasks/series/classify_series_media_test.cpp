#include <nlohmann/json.hpp>

#include "hadal/io/file.h"
#include "hadal/io/sound.h"
#include "hadal/tasks/series/classify_series.h"
#include "hadal/train/trainer.h"

#include "tests/data/sound/sounds_drawn.h"
#include "tests/support/support.h"
#include "tests/support/trained.h"

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
  context.learns = true;
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
  test::save_task(*task, "classify_series", weights);

  // A folder with one of the classes alone, which would be number 0 by its place.
  const test::TemporaryFolder lows, strange;
  draw(lows, "low", 0.21, 2);
  const auto judge = [&](const test::TemporaryFolder& data) {
    return test::task_of_weights(weights, {{"data", Table{{"path", data.path().string()}}}});
  };
  EXPECT_EQ(accuracy(*judge(lows)).second, 1);
  draw(strange, "mid", 0.5, 2);
  EXPECT_ERROR(judge(strange), "the label \"mid\" is none of the model's: high, low");

  const auto loaded = load_sound_classifier(weights);
  const auto json = test::predicted(*loaded, {(folder / "low_anna_0.wav").string()}).at(0);
  EXPECT_EQ(json["top"][0]["class"], "a hum");
  EXPECT_EQ(json["top"].size(), 2u);
}

TEST(ClassifySeries, LearnsClassFoldersOfAnyRateAndLength) {
  const test::TemporaryFolder folder;
  for (const std::string label : {"high", "low"})
    for (int64_t i = 0; i < 12; ++i) {
      const auto rate = std::vector<int64_t>{8000, 16000, 11025}[static_cast<size_t>(i % 3)];
      const auto t = torch::arange(rate / 4 + 977 * i, torch::kFloat32) / rate;
      const auto sound = 0.3 * (2 * M_PI * (label == "high" ? 2000 : 300) * t).sin();
      write_file(folder / fmt::format("{}/{}.wav", label, i),
                 encode_wav(i % 2 ? sound : torch::stack({sound, sound}), rate));
    }
  auto own = settings(folder);
  own.set("data", Table{{"kind", "sound_folder"}, {"path", folder.path().string()}, {"length", 32}, {"test", 0.25}});
  own.set("augment", Table{{"mask_bands", 3}, {"mask_steps", 3}, {"masks", 1}});
  const auto task = make(own);
  EXPECT_EQ(task->splits(), (std::vector<std::string>{"train", "val", "test"}));
  Trainer trainer(*task, {.epochs = 30,
                          .optimizer = {"adam", {{"lr", 3e-3}}},
                          .precision = "fp32",
                          .device = "cpu",
                          .evaluate_every = 30,
                          .checkpoint_seconds = 0});
  trainer.run();
  EXPECT_EQ(task->evaluate("test", 0).at(1), (Metrics::value_type{"accuracy", 1.0}));
}
