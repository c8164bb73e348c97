#include <algorithm>

#include <fmt/format.h>

#include "hadal/core/device.h"
#include "hadal/core/precision.h"
#include "hadal/io/file.h"

#include "cli/verb.h"

namespace hadal::cli {
namespace {

namespace fs = std::filesystem;

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
  const auto part = data_schema(table, recipe_schema(task_of(table)));
  if (!part) return;
  for (const auto& field : part->fields())
    if (field.limit.held_out && !given(field.name)) table.set_path("data." + field.name, 0.0);
}

std::string last_of(const Words& words, const std::string& key) {
  std::string value;
  for (const auto& [name, text] : words.settings)
    if (name == key) value = text;
  return value;
}

bool is_run(const std::string& what) { return fs::is_directory(what) && fs::exists(fs::path(what) / "config.toml"); }

}  // namespace

Table recipe_of_words(const Words& words) {
  if (words.plain.empty()) return {};
  if (is_run(words.plain[0]))
    return parse_toml(read_file(fs::path(words.plain[0]) / "config.toml"), words.plain[0] + "/config.toml");
  return recipe_of(read_passport(words.plain[0], last_of(words, "cfg")));
}

std::string section_help(const std::string& verb, const Table& recipe) {
  std::string out;
  const auto only = recipe.find("task") ? task_of(recipe) : std::string();
  for (const auto& item : trained().items()) {
    const auto* section = item.schema.find(verb);
    if (!section || !section->children || (!only.empty() && item.name != only)) continue;
    const auto* defaults = item.schema.defaults().find(verb);
    const auto settings = Schema(section->children(), *defaults->get_if<Table>()).help();
    out += fmt::format("{}: {}\n{}", item.name, item.about, settings);
  }
  if (out.empty()) fail_usage("a model of {} has nothing for hadal {}", only, verb);
  return out;
}

Subject read_subject(Words& words, const std::string& verb) {
  Subject subject;
  const auto given = words.take("weights"), cfg = words.take("cfg");
  if (given.empty() && words.plain.empty())
    fail_usage("say what to use: a run folder, a weights file, or a folder with both weights and config.json");
  std::string what = given;
  Table table;
  if (!words.plain.empty() && (given.empty() || is_run(words.plain[0]))) {
    what = words.plain[0];
    words.plain.erase(words.plain.begin());
  }
  subject.weights = read_passport(given.empty() ? what : given, cfg);
  const auto theirs = recipe_of(subject.weights);
  if (is_run(what))
    table = parse_toml(read_file(fs::path(what) / "config.toml"), (fs::path(what) / "config.toml").string());
  else
    table = theirs;
  if (const auto model = last_of(words, "model"); !model.empty()) {
    const auto task = task_with_model(model);
    // Of another task's recipe only what it learned still means something.
    if (!table.find("task") || task_of(table) != task) {
      Table own{{"task", task}};
      if (const auto* learned = table.find("learned")) own.set("learned", *learned);
      table = own;
    }
  }
  if (!table.find("task"))
    fail_usage("{} does not say which model it is for: add model=NAME (hadal models lists them)",
               subject.weights.path.string());
  if (verb == "eval") require_task(task_of(table));
  apply_words(table, words.settings, words.own, verb);
  table = over_weights(std::move(table), theirs, false);
  if (verb == "eval") score_whole(table, words);
  subject.recipe = recipe_from(table, what);
  settle_here(subject.recipe.train, words);
  settle_machine(subject.recipe.train);
  return subject;
}

std::unique_ptr<Trained> make_trained(const Subject& subject) {
  Use use = context_of(subject.recipe.train);
  use.weights = &subject.weights;
  return hadal::make_trained(subject.recipe.table(), use);
}

std::unique_ptr<Task> make_task(const Subject& subject) {
  auto context = context_of(subject.recipe.train);
  context.weights = &subject.weights;
  context.learned = subject.recipe.learned;
  return tasks().make(subject.recipe.task, context);
}

}  // namespace hadal::cli
