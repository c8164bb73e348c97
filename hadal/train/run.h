// A whole run: from a recipe to a run folder with weights, metrics, curves and a report.
#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include "hadal/train/recipe.h"
#include "hadal/train/trainer.h"

namespace hadal {

struct RunOptions {
  std::filesystem::path folder;                      // must not hold a run yet, unless `resume`
  bool resume = false;                               // go on from the folder's checkpoint
  std::vector<Callback*> listeners;                  // besides the run folder's own files: progress
  std::function<void(const std::string&)> say = {};  // a line for people
};

struct RunResult {
  bool done = true;  // false: interrupted
  Metrics best, last;
  double seconds = 0;
};

/// Picks device, precision and threads, fills in every default and builds the task that is to be trained.
std::unique_ptr<Task> settle(Recipe& recipe);

/// Trains `recipe`, scores the test split with the best weights where there is one, and writes everything into the
/// folder.
RunResult train_recipe(Recipe recipe, const RunOptions& options);

/// What a recipe promises beside what a run gave.
struct Promise {
  std::string name;
  double asked = 0, reached = 0;
  bool kept = false;
};
/// `minutes` and losses are upper bounds, everything else lower ones.
std::vector<Promise> promises_of(const Table& reaches, const RunResult& result);

}  // namespace hadal
