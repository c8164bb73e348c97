#include <algorithm>

#include <fmt/format.h>

#include "hadal/core/device.h"
#include "hadal/core/precision.h"
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

bool here(const std::string& device) {
  try {
    return pick_device(device), true;
  } catch (const UsageError&) {
    return false;
  }
}

/// The recipe says how the machine that trained was used. This one may have less, and the training's limit was for its
/// own evaluations; what the words say stands.
void settle_here(TrainConfig& train, const Words& words) {
  const auto given = [&](const std::string& key) { return words.has(key) || words.has("train." + key); };
  if (!given("limit")) train.limit = 0;
  if (!given("threads")) train.threads = std::min(train.threads, cores_allowed());
  if (!given("device") && train.device.starts_with("cuda") && !here(train.device)) {
    // Not among the results, which go to the standard output.
    fmt::print(stderr, "it was trained on {}, which is not here; this goes on with the cpu\n", train.device);
    train.device = "cpu";
  }
  if (given("precision")) return;
  const bool slow = train.precision == "bf16" && !computes_bf16(pick_device(train.device));
  if (slow || (train.precision == "fp16" && train.device == "cpu")) train.precision = "fp32";
}

/// Training holds a share of its texts out; a file that is named to be scored is scored whole.
void score_whole(Table& table, const Words& words) {
  const auto given = [&](const std::string& key) { return words.has(key) || words.has("data." + key); };
  if (!(words.has("data") || given("path"))) return;
  const auto* task = table.find("task");
  const auto name = task ? read_text(*task, "task", {}) : "classify";
  const auto part = data_schema(table, recipe_schema(name));
  if (part && part->find("val_share") && !given("val_share")) table.set_path("data.val_share", 0.0);
  if (name == "language" && !given("val")) table.set_path("data.val", 0.0);
}

}  // namespace

Subject read_subject(Words& words, bool to_predict) {
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
    }
    subject.weights = weights_in(subject.weights);
    if (fs::is_directory(subject.weights))
      fail_usage("{} is a folder with neither config.toml nor model.safetensors: no run, no weights",
                 subject.weights.string());
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
  if (to_predict) {
    const auto* task = table.find("task");
    const auto schema = recipe_schema(task ? read_text(*task, "task", {}) : "classify");
    for (auto& [key, text] : words.settings)
      if (key == "size" && schema.defaults().find_path("augment.size")) key = "augment.size";
  }
  apply_words(table, words.settings, words.own);
  if (!to_predict) score_whole(table, words);
  subject.recipe = recipe_from(table, subject.run.empty() ? subject.weights.string() : subject.run.string());
  settle_here(subject.recipe.train, words);
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
