// What other programs say of their weights, as recipes: a row a format and kind of model. The functions that know a
// kind stand beside its model.
#include <array>

#include "hadal/io/weights.h"
#include "hadal/models/detection/darknet.h"
#include "hadal/models/detection/yolo.h"
#include "hadal/models/generative/dcgan.h"
#include "hadal/models/generative/vae_nets.h"
#include "hadal/trained/huggingface.h"
#include "hadal/trained/open.h"

namespace hadal {
namespace {

/// Class names as a list or as {number: name}; empty unless all are there.
List list_of_names(const nlohmann::json& names) {
  List out;
  for (size_t i = 0; i < names.size() && (names.is_array() || names.is_object()); ++i) {
    const auto key = std::to_string(i);
    const auto* name = names.is_array() ? &names[i] : names.contains(key) ? &names[key] : nullptr;
    if (!name || !name->is_string()) return {};
    out.push_back(name->get<std::string>());
  }
  return out;
}

/// torchvision's way: the file is called like the model. Strict loading proves the guess.
Table from_name(const Passport& weights) {
  const auto name = weights.word.value("name", std::string());
  for (const auto& task : trained().items())
    if (const auto* field = task.schema.find("model"); field && field->kinds && field->kinds->schema(name))
      return {{"task", task.name}, {"model", Table{{"name", name}}}};
  return {};
}

/// A network as ultralytics' files describe it, with its class names.
Table from_ultralytics(const Passport& weights) {
  const auto part = yolo_settings(weights.word);
  auto model = part.settings;
  model.set("name", part.name);
  Table recipe{{"task", "detect"}, {"model", std::move(model)}};
  if (auto names = list_of_names(weights.word.value("names", nlohmann::json())); !names.empty())
    recipe.set("learned", Table{{"names", std::move(names)}});
  return recipe;
}

/// The network that Darknet's .cfg describes.
Table from_darknet(const Passport& weights) {
  auto model = darknet_settings(weights.word.at("cfg").get<std::string>(), weights.word.at("file").get<std::string>());
  model.set("name", "darknet");
  Table recipe{{"task", "detect"}, {"model", std::move(model)}};
  auto names = list_of_names(weights.word.value("names", nlohmann::json()));
  const auto* classes = recipe.find_path("model.classes");
  if (!names.empty() && classes && read_integer(*classes, "classes", {}) == std::ssize(names))
    recipe.set("learned", Table{{"names", std::move(names)}});
  return recipe;
}

/// A net that says nothing of itself and is known by the names of its weights: those of PyTorch's examples.
Table from_weights(const Passport& weights) {
  const auto plain = unwrapped(weights.tensors).entries;
  const auto recipe = [](const char* task, const char* name, Table settings) {
    settings.set("name", name);
    return Table{{"task", task}, {"model", std::move(settings)}};
  };
  if (auto settings = dcgan_settings(plain); !settings.empty()) return recipe("gan", "dcgan", std::move(settings));
  if (auto settings = vae_settings(plain); !settings.empty()) return recipe("vae", "vae", std::move(settings));
  return {};
}

struct Other {
  const char* by;
  Table (*recipe)(const Passport& weights);
};
constexpr std::array kOthers = {Other{"huggingface", from_huggingface}, Other{"ultralytics", from_ultralytics},
                                Other{"darknet", from_darknet}, Other{"name", from_name}};

}  // namespace

Table recipe_of(const Passport& weights) {
  if (!weights.recipe.empty()) return weights.recipe;
  for (const auto& other : kOthers)
    if (weights.by == other.by)
      if (auto recipe = other.recipe(weights); !recipe.empty()) return recipe;
  return weights.by.empty() || weights.by == "name" ? from_weights(weights) : Table{};
}

}  // namespace hadal
