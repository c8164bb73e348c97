// Weights as a run saves them, and what is made of them again.
#pragma once
#include <nlohmann/json.hpp>

#include "hadal/core/stop.h"
#include "hadal/tasks/task.h"
#include "hadal/trained/open.h"
#include "hadal/trained/predict.h"

namespace hadal::test {

/// The recipe of a task, what it learned with it.
inline Table recipe_of_task(Task& task, const std::string& name) {
  Table recipe{{"task", name}};
  recipe.merge(task.settings());
  if (auto learned = task.learned(); !learned.empty()) recipe.set("learned", std::move(learned));
  return recipe;
}
inline void save_task(Task& task, const std::string& name, const std::filesystem::path& path) {
  write_weights(path, task.model(), recipe_of_task(task, name));
}

/// A task as eval makes it of weights: their recipe with `changes` over it.
inline std::unique_ptr<Task> task_of_weights(const std::filesystem::path& path, const Table& changes = {},
                                             TaskContext context = {}) {
  const auto weights = read_passport(path);
  auto recipe = weights.recipe;
  recipe.merge(changes);
  recipe = over_weights(std::move(recipe), weights.recipe, false);
  context.weights = &weights;
  context.learned = weights.learned();
  Part part{task_of(recipe), {}};
  for (const auto& [key, value] : recipe.entries())
    if (key != "task" && key != "learned") part.settings.set(key, value);
  return tasks().make(part, context);
}

/// What predict answers, a line of JSON each.
inline std::vector<nlohmann::json> predicted(Trained& trained, const std::vector<std::string>& paths,
                                             const std::vector<std::string>& texts = {}, const Table& options = {},
                                             const std::filesystem::path& out = {}, bool files = false) {
  std::vector<nlohmann::json> lines;
  const auto folder =
      out.empty() ? std::filesystem::temp_directory_path() / fmt::format("hadal-predicted-{}", getpid()) : out;
  PredictJob job{.out = folder, .files = files};
  job.inputs.assign(paths.begin(), paths.end());
  job.listen = [&](const std::string& line) { lines.push_back(nlohmann::json::parse(line)); };
  predict_all(trained, list_inputs(trained.takes(), paths, texts), options, job);
  if (out.empty()) std::filesystem::remove_all(folder);
  return lines;
}

}  // namespace hadal::test
