#include <algorithm>

#include "hadal/io/file.h"
#include "hadal/io/weights.h"

#include "cli/verb.h"

namespace hadal::cli {
namespace {

namespace fs = std::filesystem;

/// The first task that has a model of this name.
std::string task_with_model(const std::string& model) {
  std::vector<std::string> known;
  for (const auto& task : tasks().items()) {
    const auto* field = task.schema.find("model");
    if (!field || !field->kinds) continue;
    if (field->kinds->schema(model)) return task.name;
    for (const auto& name : field->kinds->names()) known.push_back(name);
  }
  fail_usage("there is no model \"{}\"{}; hadal models lists them", model, suggest(model, known));
}

}  // namespace

Subject read_subject(Words& words) {
  Subject subject;
  Table table;
  subject.weights = words.take("weights");
  if (!words.plain.empty() && fs::is_directory(words.plain[0]) &&
      fs::exists(fs::path(words.plain[0]) / "config.toml")) {
    subject.run = words.plain[0];
    words.plain.erase(words.plain.begin());
    table = parse_toml(read_file(subject.run / "config.toml"), (subject.run / "config.toml").string());
    if (subject.weights.empty()) subject.weights = subject.run / "weights/best.safetensors";
    if (!fs::exists(subject.weights))
      fail("{} is not there yet: the run has not been evaluated once", subject.weights.string());
  } else {
    if (subject.weights.empty()) {
      if (words.plain.empty()) fail_usage("say what to use: a run folder, or a weights file with model=NAME");
      subject.weights = words.plain[0];
      words.plain.erase(words.plain.begin());
      if (fs::is_directory(subject.weights))
        fail_usage("{} is a folder without config.toml: not a run", subject.weights.string());
    }
    if (!fs::exists(subject.weights)) fail_usage("there is no file or run folder {}", subject.weights.string());
    const auto file = read_weights(subject.weights);
    if (words.has("model"))
      table.set("task", task_with_model([&] {
                  for (const auto& [key, text] : words.settings)
                    if (key == "model") return text;
                  return std::string();
                }()));
    else if (const auto config = file.metadata.find("config"); config != file.metadata.end())
      table = parse_toml(config->second, subject.weights.string());
    else
      fail_usage("{} does not say which model it is for: add model=NAME (hadal models lists them)",
                 subject.weights.string());
  }
  apply_words(table, words.settings);
  subject.recipe = recipe_from(table, subject.run.empty() ? subject.weights.string() : subject.run.string());
  settle_machine(subject.recipe.train);
  return subject;
}

std::unique_ptr<Task> make_task(Subject& subject, bool open_data) {
  auto context = context_of(subject.recipe.train);
  context.open_data = open_data;
  context.train_data = false;
  context.weights = subject.weights;
  return tasks().make(subject.recipe.task, context);
}

}  // namespace hadal::cli
