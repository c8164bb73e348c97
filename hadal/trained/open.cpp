#include "hadal/trained/open.h"

#include <algorithm>
#include <charconv>

#include "hadal/core/device.h"
#include "hadal/core/utf8.h"
#include "hadal/io/weights.h"
#include "hadal/models/detection/darknet.h"

namespace hadal {
namespace {

constexpr auto kDarknetCfg = "cfg";  // the setting that is a whole network

std::optional<double> number_of(const Value& value) {
  if (const auto* real = value.get_if<double>()) return *real;
  if (const auto* whole = value.get_if<int64_t>()) return static_cast<double>(*whole);
  const auto* word = value.get_if<Word>();
  if (!word) return {};
  double number = 0;
  const auto* end = word->text.data() + word->text.size();
  const auto read = std::from_chars(word->text.data(), end, number);
  return read.ec == std::errc() && read.ptr == end ? std::optional(number) : std::nullopt;
}

std::string text_of(const Value& value) {
  const auto* word = value.get_if<Word>();
  const auto* string = value.get_if<std::string>();
  return word ? word->text : string ? *string : value.text();
}

/// Whether two values of one setting mean the same: words are read as what the other is.
bool same(const Value& a, const Value& b, const Field& field) {
  if (field.name == kDarknetCfg) return same_darknet(text_of(a), text_of(b));
  const auto x = number_of(a), y = number_of(b);
  if (x && y) return *x == *y || static_cast<float>(*x) == static_cast<float>(*y);
  if (field.type.starts_with("list")) {
    const auto some = read_list(a, field.name), others = read_list(b, field.name);
    return std::equal(some.begin(), some.end(), others.begin(), others.end(), [&](const Value& p, const Value& q) {
      const auto v = number_of(p), w = number_of(q);
      return v && w ? *v == *w : text_of(p) == text_of(q);
    });
  }
  return text_of(a) == text_of(b);
}

/// A setting may be a whole file.
std::string brief(std::string text) {
  constexpr size_t kMost = 200;
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.size() > kMost ? text.substr(0, whole_characters(std::string_view(text).substr(0, kMost))) + "..." : text;
}

const Table* table_in(const Table& table, const std::string& key) {
  const auto* value = table.find(key);
  return value ? value->get_if<Table>() : nullptr;
}

/// Whether it is the data's to say where training goes on: how many classes, and keypoints of an object, where the
/// model can begin with as many.
bool follows_data(const Field& field) {
  return field.name == "classes" || (field.name == "keypoints" && field.limit.change == Limit::Change::learning);
}

/// Puts into `ours` what it does not say; what it says otherwise is added to `wrong`.
void take_over(Table& ours, const Table& theirs, const std::vector<Field>& fields, const Table& defaults, bool learns,
               const std::string& path, std::string& wrong) {
  for (const auto& field : fields) {
    const auto* value = theirs.find(field.name);
    if (!value || (learns && path == "model." && follows_data(field))) continue;
    const auto* own = ours.find(field.name);
    // A name may stand for the whole network, as yolov4-tiny does: then it is said.
    const auto* named = own || field.name != kDarknetCfg ? nullptr : defaults.find(field.name);
    if (named && (text_of(*named).empty() || same(*named, *value, field))) named = nullptr;
    if (!own && !named) {
      ours.set(field.name, *value);
      continue;
    }
    if (field.children) {
      const auto *below = own->get_if<Table>(), *other = value->get_if<Table>();
      if (!below || !other) continue;
      auto merged = *below;
      const auto* usual = table_in(defaults, field.name);
      take_over(merged, *other, field.children(), usual ? *usual : Table{}, learns, path + field.name + ".", wrong);
      ours.set(field.name, std::move(merged));
      continue;
    }
    if (!named && same(*own, *value, field)) continue;
    const auto change = field.limit.change;
    const auto* usual = defaults.find(field.name);
    const bool may = change == Limit::Change::always ||
                     (change == Limit::Change::learning && (learns || (usual && same(*usual, *value, field))));
    if (!may) wrong += fmt::format("{}{}{}={}", wrong.empty() ? "" : " ", path, field.name, brief(text_of(*value)));
  }
}

/// The settings of a recipe's model as a table with its name, whatever way they are written.
Table model_table(const Table& recipe) {
  const auto* model = recipe.find("model");
  if (!model) return {};
  const auto* table = model->get_if<Table>();
  return table ? *table : Table{{"name", *model}};
}

}  // namespace

std::string task_of(const Table& recipe) {
  const auto* task = recipe.find("task");
  if (!task)
    fail_usage("the recipe names no task: task = \"classify\"; there are {}", fmt::join(trained().names(), ", "));
  const auto name = read_text(*task, "task", {});
  trained().at(name);
  return name;
}

std::string task_with_model(const std::string& model) {
  std::vector<std::string> known;
  for (const auto& task : trained().items()) {
    const auto* field = task.schema.find("model");
    if (!field || !field->kinds) continue;
    if (field->kinds->schema(model)) return task.name;
    for (const auto& name : field->kinds->names()) known.push_back(name);
  }
  fail_usage("there is no model \"{}\"{}; hadal models lists them", model, suggest(model, known));
}

Table over_weights(Table recipe, const Table& theirs, bool learns) {
  const auto other = model_table(theirs);
  if (other.empty()) return recipe;
  const auto& item = trained().at(task_of(recipe));
  const auto* field = item.schema.find("model");
  if (!field || !field->kinds) return recipe;
  auto own = model_table(recipe);
  const auto* usual = table_in(item.schema.defaults(), "model");
  const auto* name = own.find("name");
  if (!name) {
    // The weights' own model, where this task has it.
    const auto* named = other.find("name");
    const bool known = named && field->kinds->schema(read_text(*named, "model.name", {}));
    own.set("name", known ? *named : usual ? *usual->find("name") : Value(""));
    name = own.find("name");
  }
  const auto schema = field->kinds->schema(read_text(*name, "model.name", {}));
  if (!schema) return recipe;  // refused later, by its name
  std::string wrong;
  take_over(own, other, schema->fields(), schema->defaults(), learns, "model.", wrong);
  if (const auto* named = other.find("name"); !wrong.empty() && named && text_of(*named) != text_of(*own.find("name")))
    wrong = fmt::format("model={} {}", text_of(*named), wrong);
  if (!wrong.empty())
    fail_usage(
        "the weights were trained with {}; other values would load and mean nonsense: leave them out, or give the same",
        wrong);
  recipe.set("model", std::move(own));
  return recipe;
}

void load_into(Model& model, const Passport& weights, bool learns) {
  auto tensors = unwrapped(weights.tensors, &model);
  try {
    tensors.entries = model.own_names(tensors.entries);
  } catch (const FileError&) {
    throw;
  } catch (const Error& error) {  // it has not seen the file's name
    throw FileError(weights.path.string(), error.what());
  }
  LoadOptions options;
  if (learns) options.head = model.heads();
  load_weights(model, tensors, options);
}

std::unique_ptr<Trained> make_trained(const Table& recipe, const Use& use) {
  const auto name = task_of(recipe);
  const auto& item = trained().at(name);
  Part part{name, {}};
  for (const auto& [key, value] : recipe.entries())
    if (item.schema.find(key)) part.settings.set(key, value);
  const auto* learned = table_in(recipe, "learned");
  return trained().make_at("", part, learned ? *learned : Table{}, use);
}

std::unique_ptr<Trained> open_trained(const std::filesystem::path& what, const UseOptions& options,
                                      const Table& words) {
  const auto weights = read_passport(what);
  const auto theirs = recipe_of(weights);
  auto recipe = theirs;
  recipe.merge(words);
  if (!recipe.find("task")) {
    const auto model = model_table(words);
    if (!model.find("name"))
      fail_usage("{} does not say which model it is for: add model=NAME (hadal models lists them)",
                 weights.path.string());
    recipe.set("task", task_with_model(read_text(*model.find("name"), "model", {})));
  }
  recipe = over_weights(std::move(recipe), theirs, false);
  Use use{.device = pick_device(options.device), .batch = options.batch, .weights = &weights};
  use.precision = pick_precision(options.precision, use.device);
  return make_trained(recipe, use);
}

}  // namespace hadal
