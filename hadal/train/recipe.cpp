#include "hadal/train/recipe.h"

#include <algorithm>
#include <cstdlib>

#include "hadal/core/device.h"
#include "hadal/core/precision.h"
#include "hadal/io/file.h"
#include "hadal/optim/schedule.h"
#include "hadal/trained/making/samples.h"
#include "hadal/trained/open.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

/// What stands at the top of a recipe besides the task's own settings.
struct Head {
  std::string about, task = "classify";
  Table reaches, learned;
  TrainConfig train;

  static Fields<Head> fields() {
    return {{"about", &Head::about, "a line that says what this recipe is"},
            {"reaches", &Head::reaches, "the numbers it must reach: \"test/accuracy\" = 0.985, minutes = 6"},
            {"task", &Head::task, "the kind of problem", one_of(trained().names())},
            {"learned", &Head::learned, "what the data of this run taught; training writes it"},
            {"train", &Head::train, "how to train"}};
  }
};

bool in_head(const std::string& key) {
  const auto& fields = Head::fields().list;
  return std::any_of(fields.begin(), fields.end(), [&](const Field& field) { return field.name == key; });
}

std::vector<std::string> names_of(const Schema& schema) {
  std::vector<std::string> names;
  for (const auto& field : schema.fields()) names.push_back(field.name);
  return names;
}

const Schema& own_schema(const std::string& task) {
  const auto* item = tasks().find(task);
  return item ? item->schema : trained().at(task).schema;
}

/// What the short names mean that every verb shares.
const std::vector<std::pair<std::string, std::string>>& short_names() {
  static const std::vector<std::pair<std::string, std::string>> names = {
      {"batch", "train.batch"},   {"workers", "train.workers"}, {"seed", "train.seed"},
      {"device", "train.device"}, {"threads", "train.threads"}, {"precision", "train.precision"},
      {"limit", "train.limit"},   {"weights", "train.weights"}};
  return names;
}

/// Whether samples are scored, and this setting of [generate] says how they are drawn: not which, nor where they begin.
bool draws_scored_samples(const Schema& schema, const std::string& name) {
  const auto* section = schema.find("generate");
  if (!section || !schema.find("judge")) return false;
  const auto all = section->children();
  const auto is_called = [&](const Field& field) { return field.name == name; };
  const auto asked = MakeOptions::fields().list;
  static const std::vector<std::string> begins = {"image", "strength", "mask", "path"};
  return std::any_of(all.begin(), all.end(), is_called) && std::none_of(asked.begin(), asked.end(), is_called) &&
         std::find(begins.begin(), begins.end(), name) == begins.end();
}

/// Throws UsageError for a setting that the verb, which uses what was trained, would do nothing with.
void expect_used(const std::string& path, const std::string& verb, const std::string& task) {
  if (verb.empty()) return;
  const auto head = path.substr(0, path.find('.'));
  if (head == "train") {
    static const std::vector<std::string> machine = {"batch",   "workers",   "seed",    "device",       "limit",
                                                     "threads", "precision", "weights", "channels_last"};
    if (std::find(machine.begin(), machine.end(), path.substr(std::min(path.size(), head.size() + 1))) == machine.end())
      fail_usage("{} is for training: hadal {} does nothing with it; hadal {} WHAT --help says what it takes", path,
                 verb, verb);
  } else if (verb != "eval" && path != "task" && !trained().at(task).schema.find(head)) {
    fail_usage("{} is for training and scores: hadal {} does nothing with it; hadal {} WHAT --help says what it takes",
               path, verb, verb);
  }
}

/// `others`: what an unknown key may have meant besides.
std::string full_path(const std::string& key, const Table& table, const Schema& schema,
                      const std::vector<std::string>& others, const std::string& verb) {
  const auto head = key.substr(0, key.find('.'));
  if (const auto* section = verb.empty() ? nullptr : schema.find(verb); section && section->children) {
    const auto own = section->children();
    if (std::any_of(own.begin(), own.end(), [&](const Field& field) { return field.name == head; }))
      return verb + "." + key;
  }
  for (const auto& [name, path] : short_names())
    if (name == head) return path + key.substr(head.size());
  if (verb == "eval" && draws_scored_samples(schema, head)) return "generate." + key;
  if (schema.find(head)) return key;
  auto paths = schema.paths_to(head, table);
  // Promises are no settings; the sections of verbs want their whole name.
  std::erase_if(paths, [](const std::string& path) {
    return path.starts_with("reaches") || path.starts_with("predict.") || path.starts_with("generate.");
  });
  if (const auto meant = outermost(paths)) return *meant + key.substr(head.size());
  // What a model predicts with is what it is scored with.
  if (const auto* section = schema.find("predict"); paths.empty() && verb == "eval" && section && section->children)
    for (const auto& field : section->children())
      if (field.name == head) return "predict." + key;
  if (paths.size() > 1) fail_usage("{} could be {}; write the whole name", key, fmt::join(paths, " or "));
  auto known = others;
  if (const auto* section = verb.empty() ? nullptr : schema.find(verb); section && section->children)
    for (const auto& field : section->children()) known.push_back(field.name);
  for (const auto& name : names_of(schema)) known.push_back(name);
  static const auto train = Schema::of(TrainConfig{});
  for (const auto& field : train.fields()) known.push_back(field.name);
  // The settings of the parts that are chosen: as "warmup", or for "schedule.wramup" whole.
  const bool whole = key.find('.') != key.npos;
  const auto add_parts = [&](const Schema& of, const std::string& before) {
    for (const auto& field : of.fields()) {
      if (!field.kinds) continue;
      const auto* value = table.find_path(before + field.name);
      if (!value) value = of.defaults().find(field.name);
      const auto* chosen = value ? value->get_if<Table>() : nullptr;
      const auto* kind = chosen ? chosen->find(field.kinds->key) : nullptr;
      const auto part = kind ? field.kinds->schema(read_text(*kind, field.name, {})) : std::nullopt;
      if (!part) continue;
      for (const auto& name : names_of(*part))
        if (const auto path = whole ? field.name + "." + name : name;
            std::find(known.begin(), known.end(), path) == known.end())
          known.push_back(path);
    }
  };
  add_parts(schema, "");
  add_parts(train, "train.");
  fail_usage("unknown setting {}{}", key, suggest(key, known));
}

/// Puts data=PATH into the table, and takes away what named files beside the old path. Shapes and waves are drawn:
/// there the path goes to the kind that takes any.
void set_data_path(Table& table, const Schema& schema, const PartKinds& kinds, const std::string& path) {
  // An unknown kind is refused later, by its name.
  if (const auto part = data_schema(table, schema); part && !part->find("path"))
    for (const auto& name : kinds.names())
      if (kinds.schema(name)->find("path")) {
        table.set("data", Table{{kinds.key, name}});
        break;
      }
  table.set_path("data.path", Word{path});
  const auto part = data_schema(table, schema);
  if (!part) return;
  auto data = *table.find("data")->get_if<Table>();
  for (const auto& field : part->fields())
    if (field.limit.with_path) data.erase(field.name);
  table.set("data", data);
}

/// The part that `key` names, at the top of a recipe or under train; nullptr when it names no part.
const Field* part_at(const std::string& key, const Schema& schema) {
  if (const auto* field = schema.find(key)) return field->kinds ? field : nullptr;
  static const auto train = Schema::of(TrainConfig{});
  const auto* field = train.find(key.starts_with("train.") ? key.substr(6) : key);
  return field && field->kinds ? field : nullptr;
}

}  // namespace

void require_task(const std::string& task) {
  if (!tasks().find(task) && trained().find(task))
    fail_usage("{} is not trained or scored; hadal predict uses it", task);
}

Schema recipe_schema(const std::string& task) {
  const auto& own = own_schema(task);
  auto fields = Fields<Head>(Head::fields()).list;
  auto defaults = write_config(Head{.task = task});
  std::erase_if(fields, [](const Field& field) { return field.name == "learned"; });  // nothing that people set
  for (const auto& field : own.fields()) fields.insert(fields.end() - 1, field);
  defaults.merge(own.defaults());
  return {std::move(fields), std::move(defaults)};
}

std::optional<Schema> data_schema(const Table& table, const Schema& recipe) {
  const auto* data = recipe.find("data");
  if (!data || !data->kinds) return {};
  const auto path = "data." + data->kinds->key;
  const auto* kind = table.find_path(path);
  if (!kind) kind = recipe.defaults().find_path(path);
  return kind ? data->kinds->schema(read_text(*kind, path, {})) : std::nullopt;
}

Recipe recipe_from(const Table& table, const std::string& name) {
  Head head;
  Recipe recipe{.name = name, .task = {task_of(table), {}}};
  Table own;
  const auto schema = recipe_schema(recipe.task.name);
  for (const auto& [key, value] : table.entries()) {
    if (!schema.find(key) && !in_head(key))
      fail_usage("{}: unknown setting {}{}", name, key, suggest(key, names_of(schema)));
    (in_head(key) ? own : recipe.task.settings).set(key, value);
  }
  read_config(head, own);
  recipe.about = head.about;
  recipe.reaches = head.reaches;
  recipe.train = head.train;
  recipe.learned = head.learned;
  recipe.train.validate();
  for (const auto& [metric, value] : recipe.reaches.entries()) read_number(value, "reaches." + metric, {});
  return recipe;
}

Table Recipe::table() const {
  Table out;
  if (!about.empty()) out.set("about", about);
  if (!reaches.empty()) out.set("reaches", reaches);
  out.set("task", task.name);
  out.merge(task.settings);
  out.set("train", write_config(train));
  if (!learned.empty()) out.set("learned", learned);
  return out;
}

void Recipe::resolve() {
  train.optimizer = optimizers().resolve(train.optimizer);
  train.schedule = schedules().resolve(train.schedule);
}

void Recipe::settle_paths() {
  const auto whole = [](const std::string& path) {
    return path.empty() || path.starts_with('$') ? path : fs::absolute(path).lexically_normal().string();
  };
  train.weights = whole(train.weights);
  const auto settle = [&](const std::string& path) {
    const auto* value = task.settings.find_path(path);
    if (!value) return;
    const auto* several = value->get_if<List>();
    if (!several) return task.settings.set_path(path, whole(read_text(*value, path, {})));
    List out;
    for (const auto& one : *several) out.push_back(whole(read_text(one, path, {})));
    task.settings.set_path(path, std::move(out));
  };
  for (const auto& field : own_schema(task.name).fields()) {
    if (field.limit.file) settle(field.name);
    if (!field.kinds) continue;
    const auto* kind = task.settings.find_path(field.name + "." + field.kinds->key);
    const auto schema = kind ? field.kinds->schema(read_text(*kind, field.name, {})) : std::nullopt;
    if (!schema) continue;
    for (const auto& setting : schema->fields())
      if (setting.limit.file) settle(field.name + "." + setting.name);
  }
}

std::vector<fs::path> recipe_folders() {
  std::vector<fs::path> candidates = {"recipes"};
  std::error_code error;
  if (const char* folder = std::getenv("HADAL_RECIPES"); folder && *folder) {
    require(fs::is_directory(folder, error), "HADAL_RECIPES = {} is no folder; that of the recipes belongs there",
            folder);
    candidates.insert(candidates.begin(), folder);
  }
  if (const auto program = fs::read_symlink("/proc/self/exe", error); !error)
    for (const auto* place : {"../recipes", "../../recipes", "../share/hadal/recipes"})
      candidates.push_back(program.parent_path() / place);
  std::vector<fs::path> folders;
  for (const auto& folder : candidates)
    if (fs::is_directory(folder, error) && std::none_of(folders.begin(), folders.end(), [&](const fs::path& known) {
          return fs::equivalent(known, folder);
        }))
      folders.push_back(folder.lexically_normal());
  return folders;
}

std::vector<std::pair<std::string, fs::path>> list_recipes() {
  std::vector<std::pair<std::string, fs::path>> found;
  for (const auto& folder : recipe_folders())
    for (const auto& entry : fs::directory_iterator(folder)) {
      const auto name = entry.path().stem().string();
      const bool known = std::any_of(found.begin(), found.end(), [&](const auto& item) { return item.first == name; });
      if (entry.path().extension() == ".toml" && !known) found.emplace_back(name, entry.path());
    }
  std::sort(found.begin(), found.end());
  return found;
}

Table load_recipe_table(const std::string& what, std::string& name) {
  fs::path path = what;
  if (!what.ends_with(".toml")) {
    const auto recipes = list_recipes();
    const auto found =
        std::find_if(recipes.begin(), recipes.end(), [&](const auto& item) { return item.first == what; });
    if (found == recipes.end()) require_task(what);
    if (found == recipes.end() && tasks().find(what)) {
      name = what;
      return {{"task", what}};
    }
    if (found == recipes.end()) {
      auto names = tasks().names();
      for (const auto& item : recipes) names.push_back(item.first);
      fail_usage("there is no recipe \"{}\"{}", what, suggest(what, names));
    }
    path = found->second;
  }
  name = path.stem().string();
  try {
    return parse_toml(read_file(path), path.string());
  } catch (const FileError& error) {
    throw UsageError(error.what());  // naming a file that is not there is a mistake in the command
  }
}

void apply_words(Table& table, const std::vector<std::pair<std::string, std::string>>& words,
                 const std::vector<std::string>& others, const std::string& verb) {
  // The task decides which settings there are, and names of parts which settings they have: those words come first.
  for (const auto& [key, text] : words)
    if (key == "task") table.set("task", Word{text});
  const auto schema = recipe_schema(task_of(table));
  // data = "shapes" is short for a section with its kind, which data.size=32 can then go into.
  for (const auto& field : schema.fields())
    if (const auto* value = table.find(field.name);
        value && field.kinds && (value->get_if<Word>() || value->get_if<std::string>()))
      table.set(field.name, Table{{field.kinds->key, *value}});
  std::vector<std::pair<std::string, Word>> settings;
  for (const auto& [key, text] : words) {
    const auto* part = key == "task" ? nullptr : part_at(key, schema);
    if (key == "task" || !part) {
      if (key != "task") settings.emplace_back(key, Word{text});
      continue;
    }
    const auto path = full_path(key, table, schema, others, verb);
    expect_used(path, verb, task_of(table));
    if (key == "data" && !part->kinds->schema(text)) {
      set_data_path(table, schema, *part->kinds, text);
      continue;
    }
    // Another kind brings its own settings; those of the old one would not fit.
    const auto* now = table.find_path(path + "." + part->kinds->key);
    if (!now || read_text(*now, path, {}) != text) table.set_path(path, Table{{part->kinds->key, Word{text}}});
  }
  // Another path sets back what went with the old one, unless the words give that too.
  const auto* data = schema.find("data");
  std::stable_partition(settings.begin(), settings.end(),
                        [](const auto& setting) { return setting.first == "path" || setting.first == "data.path"; });
  for (auto& [key, word] : settings) {
    const auto path = full_path(key, table, schema, others, verb);
    expect_used(path, verb, task_of(table));
    if (path == "data.path" && data && data->kinds)
      set_data_path(table, schema, *data->kinds, word.text);
    else
      table.set_path(path, std::move(word));
  }
}

void settle_machine(TrainConfig& train) {
  set_threads(train.threads);
  train.threads = at::get_num_threads();
  const auto device = pick_device(train.device);
  train.device = device.str();
  train.precision = pick_precision(train.precision, device);
}

TaskContext context_of(const TrainConfig& train) {
  TaskContext context;
  static_cast<Use&>(context) = {.device = torch::Device(train.device),
                                .precision = train.precision,
                                .batch = train.batch,
                                .channels_last = train.channels_last,
                                .seed = static_cast<uint64_t>(train.seed)};
  context.workers = train.workers;
  return context;
}

}  // namespace hadal
