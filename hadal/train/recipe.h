// Recipes: a task, its settings and how to train, in one TOML file, with the numbers it must reach.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "hadal/tasks/task.h"
#include "hadal/train/config.h"

namespace hadal {

struct Recipe {
  std::string name, about;
  Table reaches;  // "test/accuracy" = 0.985, minutes = 6
  Part task;      // its name and its settings: model, data, augment, ...
  TrainConfig train;
  Table learned;  // of a run: what its data taught, see Task::learned

  /// All settings as TOML lays them out. resolved() fills in every default of the parts too.
  Table table() const;
  void resolve();
  /// Puts whole paths of files and folders into settings that are resolved, so that they hold wherever the program is
  /// started; what is empty or begins with $ stays.
  void settle_paths();
};

/// Throws UsageError for an unknown setting, a wrong value or a part that does not exist.
Recipe recipe_from(const Table& table, const std::string& name);
/// `what` is a TOML file, the name of a recipe in one of recipe_folders(), or that of a task, with its defaults.
Table load_recipe_table(const std::string& what, std::string& name);
/// ./recipes, beside the program, and where the library is installed; those that exist.
std::vector<std::filesystem::path> recipe_folders();
/// Every recipe's file by name, sorted.
std::vector<std::pair<std::string, std::filesystem::path>> list_recipes();

/// Every setting a recipe for this task has; of what is only used, as `embed`, too.
Schema recipe_schema(const std::string& task);
/// Throws UsageError for what is only used, and has neither data nor losses.
void require_task(const std::string& task);
/// The settings of the kind of data that `table` names, or of the task's own; nothing when that is no kind.
std::optional<Schema> data_schema(const Table& table, const Schema& recipe);

/// Puts `key=value` words over a recipe's table. A key is a dotted path, one of the short names that every verb shares
/// (data, batch, seed, device, precision, threads, workers), or the last part of a path when only one setting ends so.
/// `data` takes a kind or a path; a path goes to a kind that has one. An unknown key is refused with the nearest of
/// them and of `others`. A key of the recipe's section `verb` means that one first; of `eval` where samples are scored,
/// what says how generate draws them. What a verb does nothing with is refused.
void apply_words(Table& table, const std::vector<std::pair<std::string, std::string>>& words,
                 const std::vector<std::string>& others = {}, const std::string& verb = "");

/// The task's context from resolved training settings.
TaskContext context_of(const TrainConfig& train);
/// Picks device, precision and threads for this machine and puts them into `train`.
void settle_machine(TrainConfig& train);

}  // namespace hadal
