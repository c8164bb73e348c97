#include "hadal/trained/huggingface.h"

#include <array>
#include <cmath>
#include <filesystem>

#include <fmt/ranges.h>

#include "hadal/core/error.h"
#include "hadal/data/vision/scenes/keypoints.h"
#include "hadal/models/detection/dfine.h"
#include "hadal/models/pose/vitpose.h"
#include "hadal/models/text/bert.h"
#include "hadal/models/text/causal_lm.h"
#include "hadal/models/vision/vit.h"
#include "hadal/trained/open.h"
#include "hadal/trained/text/embedder.h"
#include "hadal/trained/text/pooling_files.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Kind {
  const char* type;  // model_type
  Part (*settings)(const Json& config, const std::string& name);
};
constexpr std::array kKinds = {Kind{"gpt2", gpt2_settings},       Kind{"llama", llama_settings},
                               Kind{"mistral", llama_settings},   Kind{"qwen2", llama_settings},
                               Kind{"bert", bert_settings},       Kind{"vit", vit_settings},
                               Kind{"vitpose", vitpose_settings}, Kind{"d_fine", dfine_settings}};

Part settings_of(const Json& config, const std::string& name) {
  const auto type = config.at("model_type").get<std::string>();
  std::vector<std::string> known;
  for (const auto& kind : kKinds) {
    if (type == kind.type) return kind.settings(config, name);
    known.emplace_back(kind.type);
  }
  throw FileError(name, fmt::format("the weights beside it are of a {}; Hadal reads {}", type, fmt::join(known, ", ")));
}

/// id2label's names; empty where one is missing, or where they are the numbers that stand for none.
List class_names(const Json& config) {
  const auto labels = config.find("id2label");
  List names;
  if (labels == config.end() || !labels->is_object()) return names;
  bool own = false;
  for (size_t i = 0; i < labels->size(); ++i) {
    const auto found = labels->find(std::to_string(i));
    if (found == labels->end() || !found->is_string()) return {};
    names.push_back(found->get<std::string>());
    own = own || *found != fmt::format("LABEL_{}", i);
  }
  return own ? names : List{};
}

/// What a model of poses finds: id2label's points with their sides, and the lines that "edges" draws between them.
Table points_of(const Json& config, int64_t count) {
  const auto names = class_names(config);
  if (std::ssize(names) != count) return {};
  std::vector<std::string> points;
  for (const auto& name : names) points.push_back(read_text(name, "id2label", {}));
  Table learned{{"names", List{"person"}}, {"keypoints", names}};
  List swap, skeleton, sigmas;
  for (const auto twin : mirrored_keypoints(points)) swap.push_back(twin);
  for (const auto sigma : known_sigmas(points)) sigmas.push_back(sigma);
  const auto edges = config.find("edges");
  for (const auto& edge : edges != config.end() && edges->is_array() ? *edges : Json::array()) {
    const auto inside = [&](const Json& end) { return end.is_number_integer() && end >= 0 && end < count; };
    if (edge.is_array() && edge.size() == 2 && inside(edge[0]) && inside(edge[1]))
      skeleton.push_back(List{edge[0].get<int64_t>(), edge[1].get<int64_t>()});
  }
  learned.set("swap", std::move(swap));
  learned.set("skeleton", std::move(skeleton));
  learned.set("sigmas", std::move(sigmas));
  return learned;
}

/// The tokens that end a text: those of generation_config.json where it says any, else config.json's.
List ends_of(const Json& word) {
  for (const auto* file : {"generation_config", "config"}) {
    const auto* said = word.contains(file) && word[file].is_object() && word[file].contains("eos_token_id")
                           ? &word[file]["eos_token_id"]
                           : nullptr;
    if (!said || said->is_null()) continue;
    List ends;
    for (const auto& id : said->is_array() ? *said : Json::array({*said})) {
      if (!id.is_number_integer())
        throw FileError(word.value("folder", "") + "/" + file + ".json", "eos_token_id is neither a token nor a list");
      ends.push_back(id.get<int64_t>());
    }
    return ends;
  }
  return {};
}

/// Empty where none lies there.
Table tokenizer_in(const fs::path& folder) {
  const auto has = [&](const char* name) { return fs::is_regular_file(folder / name); };
  if (has("tokenizer.json") || has("vocab.txt") || (has("vocab.json") && has("merges.txt")))
    return {{"name", "huggingface"}, {"path", folder.string()}};
  if (has("tokenizer.model")) return {{"name", "sentencepiece"}, {"path", (folder / "tokenizer.model").string()}};
  return {};
}

Table pooling_in(const fs::path& folder) { return write_config(PoolingConfig::of(read_pooling(folder))); }

/// A side of a picture: 224, {"height": 224, "width": 224} or {"shortest_edge": 224}; `square`: whether both are made
/// so long whatever the picture's shape.
int64_t side_of(const Json& size, const std::string& key, const std::string& name, bool& square) {
  const auto number = [&](const Json& value) {
    if (value.is_number_integer() && value > 0 && value < 65536) return value.get<int64_t>();
    throw FileError(name, fmt::format("{} is no side of a picture", key));
  };
  square = true;
  if (!size.is_object()) return number(size);
  if (size.contains("shortest_edge") && !size.contains("height")) {
    square = false;
    return number(size["shortest_edge"]);
  }
  const auto height = number(size.value("height", Json())), width = number(size.value("width", Json()));
  if (height != width)
    throw FileError(name, fmt::format("{} is {} by {}; Hadal's pictures are square", key, height, width));
  return height;
}

/// The side that a detector's pictures are brought to; 0: nothing is said.
int64_t detector_side(const Json& given, const std::string& name) {
  const auto said = given.is_object() ? given : Json::object();
  if (said.value("do_normalize", Json(false)) == true)
    throw FileError(name, "do_normalize is true: detectors of this kind see shares of 0 to 1");
  const auto size = said.find("size");
  if (size == said.end() || size->is_null() || said.value("do_resize", Json(true)) == false) return 0;
  bool square = true;
  const auto side = side_of(*size, "size", name, square);
  if (!square) throw FileError(name, "size keeps the picture's shape; detectors of this kind see squares");
  return side;
}

/// A number for each channel.
List channel_list(const Json& values, const char* key, const std::string& name) {
  List out;
  for (const auto& value : values.is_array() ? values : Json::array({values})) {
    if (!value.is_number()) throw FileError(name, fmt::format("{} wants a number for each channel", key));
    out.push_back(value.get<double>());
  }
  return out;
}

}  // namespace

Table augment_settings(const Json& given, const std::string& name) {
  const auto said = given.is_object() ? given : Json::object();
  const auto find = [&](const char* key) {
    const auto found = said.find(key);
    return found == said.end() || found->is_null() ? nullptr : &*found;
  };
  const auto flag = [&](const char* key, bool otherwise) {
    const auto* found = find(key);
    if (found && !found->is_boolean()) throw FileError(name, fmt::format("{} is neither true nor false", key));
    return found ? found->get<bool>() : otherwise;
  };
  Table augment;
  if (const auto* size = find("size"); size && flag("do_resize", true)) {
    bool square = true;
    const auto side = side_of(*size, "size", name, square);
    if (const auto* crop = find("crop_size"); crop && flag("do_center_crop", false)) {
      bool ignored = true;
      const auto cut = side_of(*crop, "crop_size", name, ignored);
      if (cut > side || (square && cut != side))
        throw FileError(name, fmt::format("cuts {} pixels out of pictures of {}", cut, side));
      augment.set("size", cut);
      augment.set("resize", side);
    } else {
      augment.set("size", side);
    }
    augment.set("squash", square);
  } else if (!find("size")) {
    augment.set("squash", true);
  }
  constexpr int kBilinear = 2, kBicubic = 3;  // Pillow's numbers
  const auto* resample = find("resample");
  if (resample && *resample != kBilinear && *resample != kBicubic)
    throw FileError(name, fmt::format("resample is {}; Hadal resizes bilinear (2) or bicubic (3)", resample->dump()));
  augment.set("interpolation", resample && *resample == kBicubic ? "bicubic" : "bilinear");
  if (!flag("do_rescale", true))
    throw FileError(name, "do_rescale is false: levels of 0 to 255 are read by no setting");
  if (const auto* factor = find("rescale_factor");
      factor && !(factor->is_number() && std::abs(factor->get<double>() * 255 - 1) < 1e-6))
    throw FileError(name, fmt::format("rescale_factor is {} and not 1/255", factor->dump()));
  const bool normalised = flag("do_normalize", true);
  for (const auto& [key, theirs] : {std::pair("mean", "image_mean"), std::pair("std", "image_std")}) {
    const auto* values = find(theirs);
    const bool mean = std::string_view(key) == "mean";
    if (!normalised)
      augment.set(key, List{mean ? 0.0 : 1.0});
    else
      augment.set(key, values ? channel_list(*values, theirs, name) : List{0.5});
  }
  return augment;
}

Table from_huggingface(const Passport& weights) {
  const auto& word = weights.word;
  const fs::path folder = word.at("folder").get<std::string>();
  const auto& config = word.at("config");
  auto [name, model] = settings_of(config, (folder / "config.json").string());
  const auto task = task_with_model(name);
  model.set("name", name);
  if (task == "detect") {
    const auto side =
        detector_side(word.value("preprocessor_config", Json()), (folder / "preprocessor_config.json").string());
    if (side > 0) model.set("size", side);
  }
  Table recipe{{"task", task}, {"model", std::move(model)}}, learned;
  if (task == "pose") learned = points_of(config, read_integer(*recipe.find_path("model.keypoints"), "keypoints", {}));
  if (auto names = class_names(config); !names.empty() && (task.starts_with("classify") || task == "detect"))
    learned.set("names", std::move(names));
  if (task == "classify") {
    auto augment =
        augment_settings(word.value("preprocessor_config", Json()), (folder / "preprocessor_config.json").string());
    if (!augment.find("size")) augment.set("size", *recipe.find_path("model.image"));
    recipe.set("augment", std::move(augment));
  } else if (auto tokenizer = tokenizer_in(folder.empty() ? "." : folder); !tokenizer.empty()) {
    recipe.set("tokenizer", tokenizer);
    learned.set("tokenizer", std::move(tokenizer));  // so that training from these weights has it too
  }
  if (task == "embed") recipe.set("pooling", pooling_in(folder));
  if (auto ends = ends_of(word); task == "language" && !ends.empty()) recipe.set("ends", std::move(ends));
  if (!learned.empty()) recipe.set("learned", std::move(learned));
  return recipe;
}

}  // namespace hadal
