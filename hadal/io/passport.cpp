#include "hadal/io/passport.h"

#include <sstream>

#include "hadal/core/error.h"
#include "hadal/core/utf8.h"
#include "hadal/io/darknet_weights.h"
#include "hadal/io/file.h"
#include "hadal/io/json.h"
#include "hadal/io/weights.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

/// Entries of Hadal 0.1's files, which stood beside the recipe, as its [learned].
Table older_learned(const std::map<std::string, std::string>& metadata, const std::string& file) {
  Table learned;
  const auto json = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? nlohmann::json() : nlohmann::json::parse(found->second, nullptr, false);
  };
  if (const auto names = json("classes"); names.is_array()) learned.set("names", value_of(names));
  if (const auto labels = json("labels"); labels.is_array()) learned.set("labels", value_of(labels));
  if (const auto series = json("series"); series.is_object()) learned.set("series", value_of(series));
  if (const auto tokenizer = metadata.find("tokenizer"); tokenizer != metadata.end())
    learned.set("tokenizer", parse_toml(tokenizer->second, file));
  return learned;
}

/// The recipe in a file of Hadal's; empty in another's.
Table own_recipe(const NamedTensors& tensors) {
  const auto config = tensors.metadata.find("config");
  if (config == tensors.metadata.end()) return {};
  Table recipe;
  try {
    recipe = parse_toml(config->second, tensors.source);
  } catch (const UsageError&) {
    return {};  // somebody else's entry of that name
  }
  if (!recipe.find("task")) return {};
  if (recipe.find("learned")) return recipe;
  if (auto learned = older_learned(tensors.metadata, tensors.source); !learned.empty())
    recipe.set("learned", std::move(learned));
  for (const auto* key : {"beams", "length_penalty", "anomalies"})  // what predict answers has a section since
    if (const auto* value = recipe.find(key)) {
      recipe.set_path(std::string("predict.") + key, *value);
      recipe.erase(key);
    }
  return recipe;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

nlohmann::json read_json(const fs::path& path) { return parse_json(read_file(path), path.string()); }

/// config.json and what lies beside it; null where there is none, or none with a model_type.
nlohmann::json huggingface_word(const fs::path& weights) {
  const auto folder = weights.parent_path();
  if (!is_there(folder / "config.json")) return {};
  auto config = read_json(folder / "config.json");
  if (!config.is_object() || !config.contains("model_type") || !config["model_type"].is_string()) return {};
  nlohmann::json word = {{"config", std::move(config)}, {"folder", folder.string()}};
  for (const auto* name : {"generation_config", "preprocessor_config", "tokenizer_config"})
    if (const auto path = folder / (std::string(name) + ".json"); is_there(path)) word[name] = read_json(path);
  return word;
}

/// What the outermost module of a pickle keeps of itself: see take_tensors.
nlohmann::json ultralytics_word(const NamedTensors& tensors) {
  nlohmann::json word;
  for (const auto* key : {"yaml", "names", "kpt_shape", "stride"})
    if (const auto found = tensors.metadata.find(std::string("module.") + key); found != tensors.metadata.end())
      word[key] = nlohmann::json::parse(found->second, nullptr, false);
  return word.contains("yaml") ? word : nlohmann::json();
}

/// Darknet keeps class names, a line each, in a file called like the weights, or in the only .names there is.
std::vector<std::string> names_beside(const fs::path& weights) {
  auto file = fs::path(weights).replace_extension(".names");
  if (!is_there(file)) {
    std::vector<fs::path> all;
    std::error_code ignored;
    for (const auto& entry :
         fs::directory_iterator(weights.parent_path().empty() ? "." : weights.parent_path(), ignored))
      if (entry.path().extension() == ".names") all.push_back(entry.path());
    if (all.size() != 1) return {};
    file = all[0];
  }
  std::vector<std::string> names;
  std::istringstream lines{std::string(without_mark(read_file(file)))};
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  return names;
}

/// resnet18-f37072fd.pth: the name before the hash.
std::string named_model(const fs::path& path) {
  const auto stem = path.stem().string();
  const auto dash = stem.rfind('-');
  const auto hash = dash == stem.npos ? "" : stem.substr(dash + 1);
  const bool hex = hash.size() == 8 && hash.find_first_not_of("0123456789abcdef") == hash.npos;
  return hex ? stem.substr(0, dash) : stem;
}

fs::path weights_of(const fs::path& what) {
  if (fs::is_directory(what) && fs::exists(what / "config.toml")) {
    const auto best = what / "weights/best.safetensors";
    if (!fs::exists(best)) fail("{} is not there yet: the run has not been evaluated once", best.string());
    return best;
  }
  const auto path = weights_in(what);
  if (fs::is_directory(path))
    fail_usage("{} is a folder with neither config.toml nor model.safetensors: no run, no weights", path.string());
  if (!fs::exists(path)) fail_usage("there is no file or run folder {}", path.string());
  return path;
}

}  // namespace

Table Passport::learned() const {
  const auto* learned = recipe.find("learned");
  const auto* table = learned ? learned->get_if<Table>() : nullptr;
  return table ? *table : Table{};
}

Value value_of(const nlohmann::json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_array()) {
    List list;
    for (const auto& item : json) list.push_back(value_of(item));
    return list;
  }
  if (!json.is_object()) return std::string();
  Table table;
  for (const auto& [key, value] : json.items()) table.set(key, value_of(value));
  return table;
}

Passport read_passport(const fs::path& what, const fs::path& cfg) {
  Passport out;
  out.path = weights_of(what);
  const bool darknet = out.path.extension() == ".weights";
  out.tensors = darknet ? read_darknet_weights(out.path) : read_weights(out.path);
  out.recipe = own_recipe(out.tensors);
  if (!out.recipe.empty()) return out;
  const auto describe = [&](const char* by, nlohmann::json word) {
    if (!out.by.empty() || word.is_null()) return;
    out.by = by;
    out.word = std::move(word);
  };
  describe("ultralytics", ultralytics_word(out.tensors));
  if (!cfg.empty() && !is_there(cfg))
    fail_usage("there is no file {}; cfg=FILE says how the network of {} is built", cfg.string(), out.path.string());
  if (auto beside = cfg.empty() ? fs::path(out.path).replace_extension(".cfg") : cfg; !cfg.empty() || is_there(beside))
    describe("darknet", {{"cfg", read_file(beside)}, {"file", beside.string()}, {"names", names_beside(out.path)}});
  if (darknet && out.by.empty())
    fail_usage("{} has no {} beside it; cfg=FILE says how its network is built", out.path.string(),
               fs::path(out.path).replace_extension(".cfg").filename().string());
  describe("huggingface", huggingface_word(out.path));
  describe("name", {{"name", named_model(out.path)}});
  return out;
}

void write_weights(const fs::path& path, const nn::Module& module, const Table& recipe, int64_t step) {
  std::map<std::string, std::string> metadata;
  if (!recipe.empty()) metadata["config"] = to_toml(recipe);
  if (step > 0) metadata["step"] = fmt::format("{}", step);
  save_weights(path, module, std::move(metadata));
}

}  // namespace hadal
