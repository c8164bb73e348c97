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
  double seconds = 0;              // of training
  std::vector<Score> scores = {};  // the task's: which way is better
  std::string unjudged = {};       // the settings that make this another problem than the recipe's numbers are about
  double seconds_after = 0;        // of scoring the test split and drawing what the report shows
};

/// Picks device, precision and threads, fills in every default and builds the task that is to be trained, from the
/// recipe's weights where it names some. `goes_on`: a checkpoint brings the weights, and the recipe what was learned.
std::unique_ptr<Task> settle(Recipe& recipe, bool goes_on = false);

/// Trains `recipe`, scores the test split with the best weights where there is one, and writes everything into the
/// folder.
RunResult train_recipe(Recipe recipe, const RunOptions& options);

/// "; 2.1 more to score and draw what it ended with", or nothing where that took no time to speak of.
std::string after_text(double seconds);

/// What a recipe promises beside what a run gave.
struct Promise {
  std::string name;
  double asked = 0, reached = 0;  // NaN: the run does not measure it
  bool kept = false;
};
/// Scores of which more is better are lower bounds; losses, errors and `minutes` upper ones. Empty for a run that is
/// not judged.
std::vector<Promise> promises_of(const Table& reaches, const RunResult& result);

/// Which settings make `recipe` another problem than that of the recipe file of the same name and the same promises:
/// data of another kind, name, columns or borders, another input or horizon. Empty: none, or there is no such file.
std::string other_problem(const Recipe& recipe);

}  // namespace hadal
