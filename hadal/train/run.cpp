#include "hadal/train/run.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "hadal/core/precision.h"
#include "hadal/io/file.h"
#include "hadal/io/weights.h"
#include "hadal/report/history.h"
#include "hadal/train/run_files.h"
#include "hadal/train/run_folder.h"
#include "hadal/trained/open.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

void log_line(const RunOptions& options, const std::string& text) {
  if (options.say) options.say(text);
}

/// The best weights of the run in `folder` on a split, under its name.
Metrics score_best(Task& task, const TrainConfig& train, const fs::path& folder, const std::string& split) {
  load_weights(task.model(), folder / "weights/best.safetensors");
  Metrics out;
  for (const auto& [name, value] : task.evaluate(split, train.limit)) out.emplace_back(split + "/" + name, value);
  return out;
}

/// What a save that was killed left beside the files of a run.
void remove_run_leftovers(const fs::path& folder) {
  for (const auto* name :
       {"config.toml", "metrics.csv", "metrics.json", "reached.json", "report.html", "weights/best.safetensors",
        "weights/best.weights", "weights/last.safetensors", "checkpoint/last.safetensors"})
    remove_leftovers(folder / name);
}

/// A setting as text, whether it comes from a file or the command line; of a path only the file's name, for data may
/// lie anywhere.
std::string setting_text(const Table& settings, const std::string& path) {
  const auto* value = settings.find_path(path);
  if (!value) return "";
  const auto* word = value->get_if<Word>();
  const auto* string = value->get_if<std::string>();
  const auto text = word ? word->text : string ? *string : value->text();
  return path == "data.path" ? fs::path(text).filename().string() : text;
}

/// Darknet's description, where the recipe names a file of one.
fs::path cfg_file(const Recipe& recipe) {
  const auto text = setting_text(recipe.task.settings, "model.cfg");
  std::error_code none;
  return fs::is_regular_file(text, none) ? fs::path(text) : fs::path();
}

}  // namespace

std::string other_problem(const Recipe& recipe) {
  const auto recipes = list_recipes();
  const auto found =
      std::find_if(recipes.begin(), recipes.end(), [&](const auto& item) { return item.first == recipe.name; });
  if (found == recipes.end()) return "";
  std::string name;
  auto table = load_recipe_table(found->second.string(), name);
  apply_words(table, {});
  const auto own = recipe_from(table, recipe.name);
  if (own.reaches.empty() || own.reaches != recipe.reaches || own.task.name != recipe.task.name) return "";
  std::string changed;
  for (const auto* path : {"data.kind", "data.path", "data.columns", "data.borders", "input", "horizon"})
    if (setting_text(own.task.settings, path) != setting_text(recipe.task.settings, path))
      changed += (changed.empty() ? "" : ", ") + std::string(path);
  return changed;
}

std::string after_text(double seconds) {
  return seconds < 3 ? "" : fmt::format("; {:.1f} more to score and draw what it ended with", seconds / 60);
}

std::vector<Promise> promises_of(const Table& reaches, const RunResult& result) {
  std::vector<Promise> out;
  if (!result.unjudged.empty()) return out;
  for (const auto& [name, value] : reaches.entries()) {
    Promise promise{.name = name, .asked = read_number(value, "reaches." + name, {})};
    if (name == "minutes")
      promise.reached = result.seconds / 60;
    else if (const auto* found = find_value(result.best, name))
      promise.reached = *found;
    else
      promise.reached = NAN;
    const auto own = name.substr(name.rfind('/') + 1);
    const bool higher = std::any_of(result.scores.begin(), result.scores.end(),
                                    [&](const Score& score) { return score.name == own && score.higher; });
    promise.kept = higher ? promise.reached >= promise.asked : promise.reached <= promise.asked;
    out.push_back(promise);
  }
  return out;
}

std::unique_ptr<Task> settle(Recipe& recipe, bool goes_on) {
  require_task(recipe.task.name);
  settle_machine(recipe.train);
  std::optional<Passport> weights;
  if (!goes_on && !recipe.train.weights.empty()) {
    weights = read_passport(recipe.train.weights, cfg_file(recipe));
    auto table = recipe.table();
    recipe = recipe_from(over_weights(std::move(table), recipe_of(*weights), true), recipe.name);
  }
  recipe.resolve();
  auto context = context_of(recipe.train);
  context.learns = true;
  context.learned = recipe.learned;
  context.weights = weights ? &*weights : nullptr;
  auto task = tasks().make(recipe.task, context);
  recipe.task.settings = task->settings();
  recipe.learned = task->learned();
  return task;
}

RunResult train_recipe(Recipe recipe, const RunOptions& options) {
  // A resumed run has what its first sitting kept of the promises.
  const auto unjudged = options.resume ? "" : other_problem(recipe);
  if (!unjudged.empty()) recipe.reaches = {};
  std::optional<FolderLock> lock;
  if (options.resume) lock.emplace(options.folder);
  const auto checkpoint = options.folder / "checkpoint/last.safetensors";
  const bool goes_on = options.resume && fs::exists(checkpoint);
  if (!options.resume) recipe.learned = {};  // that of another run, whose config.toml was taken as a recipe
  const auto task = settle(recipe, goes_on);
  if (!options.resume) recipe.settle_paths();
  const auto table = recipe.table();
  auto shown = table;  // what was learned is for machines
  shown.erase("learned");
  Trainer trainer(*task, recipe.train, options.folder);
  // Only now: a run that is refused leaves no folder behind.
  if (!options.resume) {
    make_folder(options.folder);
    lock.emplace(options.folder);
  }
  remove_run_leftovers(options.folder);
  if (!options.resume) write_file(options.folder / "config.toml", to_toml(table));
  log_line(options, task->summary());
  log_line(options, fmt::format("{}, {} threads, {}; everything goes to {}", recipe.train.device, recipe.train.threads,
                                recipe.train.precision, options.folder.string()));
  if (recipe.train.precision == "bf16" && !computes_bf16(torch::Device(recipe.train.device)))
    log_line(options, "warning: bf16 is not what this CPU or its LibTorch computes in; precision=fp32 is much faster");
  if (!unjudged.empty())
    log_line(options, fmt::format("the recipe's numbers are not asked for: this run has its own {}", unjudged));

  trainer.describe(table);
  if (goes_on)
    if (const auto before = trainer.resume(checkpoint); !before.empty() && before != task->summary())
      log_line(options, fmt::format("warning: the run began with other data or another model: {}", before));
  RunFiles files(options.folder, recipe, *task, to_toml(shown), trainer, options.resume);
  trainer.listen(files);
  for (auto* listener : options.listeners) trainer.listen(*listener);

  RunResult result;
  try {
    const auto outcome = trainer.run();
    result = {outcome.done, outcome.best, outcome.last, outcome.state.seconds, task->scores(), unjudged};
    if (outcome.done && task->has_split("test"))
      for (auto& item : score_best(*task, recipe.train, options.folder, "test")) result.best.push_back(std::move(item));
    else if (outcome.done && task->has_split("val") && !files.has_best_figures())
      score_best(*task, recipe.train, options.folder, "val");  // for its pictures: an earlier sitting found the best
    result.seconds_after = files.finish(result);
  } catch (const Stopped&) {  // a resumed run has this left to do
    result.done = false;
    files.finish(result);
  } catch (const FileError& error) {
    if (!fs::exists(checkpoint)) throw;
    fail("{}; what was learned is saved: with that mended, hadal train resume={} goes on", error.what(),
         options.folder.string());
  }
  if (const auto speed = files.speed(); !speed.empty()) log_line(options, speed);
  if (result.done)
    for (const auto& promise : promises_of(recipe.reaches, result))
      if (std::isnan(promise.reached))
        log_line(options, fmt::format("the recipe promises {}, which this run does not measure", promise.name));
  return result;
}

}  // namespace hadal
