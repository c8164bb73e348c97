#include "hadal/train/run.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "hadal/core/precision.h"
#include "hadal/io/file.h"
#include "hadal/io/weights.h"
#include "hadal/train/history.h"
#include "hadal/train/run_files.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

void log_line(const RunOptions& options, const std::string& text) {
  if (options.say) options.say(text);
}

/// The best weights on the test split, under test/...
Metrics score_test(Task& task, const TrainConfig& train, const fs::path& weights) {
  load_weights(task.model(), weights);
  const Autocast autocast(torch::Device(train.device), train.precision);
  Metrics out;
  for (const auto& [name, value] : task.evaluate("test", train.limit)) out.emplace_back("test/" + name, value);
  return out;
}

bool smaller_is_better(const std::string& name) {
  static constexpr std::array small = {"loss", "mse", "mae", "perplexity", "bits_per_byte", "minutes", "seconds"};
  const auto last = name.substr(name.rfind('/') + 1);
  return std::any_of(small.begin(), small.end(), [&](const char* word) { return last == word; });
}

}  // namespace

std::vector<Promise> promises_of(const Table& reaches, const RunResult& result) {
  std::vector<Promise> out;
  for (const auto& [name, value] : reaches.entries()) {
    Promise promise{.name = name, .asked = read_number(value, "reaches." + name, {})};
    if (name == "minutes")
      promise.reached = result.seconds / 60;
    else if (const auto* found = find_value(result.best, name))
      promise.reached = *found;
    else
      fail("the recipe promises {}, which the run does not measure", name);
    promise.kept = smaller_is_better(name) ? promise.reached <= promise.asked : promise.reached >= promise.asked;
    out.push_back(promise);
  }
  return out;
}

std::unique_ptr<Task> settle(Recipe& recipe) {
  settle_machine(recipe.train);
  recipe.resolve();
  auto context = context_of(recipe.train);
  context.weights = recipe.train.weights;
  auto task = tasks().make(recipe.task, context);
  recipe.task.settings = task->settings();
  return task;
}

RunResult train_recipe(Recipe recipe, const RunOptions& options) {
  const auto task = settle(recipe);
  const auto config = to_toml(recipe.table());
  Trainer trainer(*task, recipe.train, options.folder);
  // Only now: a run that is refused leaves no folder behind.
  if (!options.resume) write_file(options.folder / "config.toml", config);
  log_line(options, task->summary());
  log_line(options, fmt::format("{}, {} threads, {}; everything goes to {}", recipe.train.device, recipe.train.threads,
                                recipe.train.precision, options.folder.string()));

  trainer.describe({{"config", config}});
  const auto checkpoint = options.folder / "checkpoint/last.safetensors";
  if (options.resume && fs::exists(checkpoint)) trainer.resume(checkpoint);
  RunFiles files(options.folder, recipe, *task, config, trainer);
  trainer.listen(files);
  for (auto* listener : options.listeners) trainer.listen(*listener);

  const auto outcome = trainer.run();
  RunResult result{outcome.done, outcome.best, outcome.last, outcome.state.seconds};
  if (outcome.done && task->has_split("test"))
    for (auto& item : score_test(*task, recipe.train, options.folder / "weights/best.safetensors"))
      result.best.push_back(std::move(item));
  files.finish(result);
  return result;
}

}  // namespace hadal
