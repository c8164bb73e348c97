// What a file of weights says of itself, whoever wrote it: the one place that knows the words of every format.
#pragma once
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "hadal/core/value.h"
#include "hadal/io/tensors.h"

namespace hadal {

struct Passport {
  NamedTensors tensors;        // mapped, under the file's own names
  std::filesystem::path path;  // the file that was read
  Table recipe;                // Hadal's own word: a run's config.toml; empty for weights of others
  std::string by;              // whose word else: "huggingface", "ultralytics", "darknet", "name"; empty: nobody's
  nlohmann::json word;         // config.json and its kin; {yaml, names, ...}; the .cfg's text; the name of a model

  /// The recipe's [learned]: what the data taught that is no tensor (class names, a tokenizer, the scale of a series).
  Table learned() const;
};

/// The one reader. `what`: a run folder (its best weights), a file of weights, the index of several or a folder with
/// either. `cfg` is Darknet's description where it does not lie beside the weights under their name. Throws FileError
/// for a file that is none, UsageError for a path that is not there.
///
/// by        | word
/// huggingface | {"config": config.json, "folder": where it lies}; generation_config.json, preprocessor_config.json and
///           | tokenizer_config.json under their names without ending, where they are there
/// ultralytics | {"yaml": ..., "names": ..., "kpt_shape": ..., "stride": ...}: plain values of the pickled module
/// darknet   | {"cfg": text, "file": its path, "names": [class names, where a .names file lies beside]}
/// name      | {"name": "resnet18"}: torchvision's way, resnet18-f37072fd.pth, where the file says nothing else
Passport read_passport(const std::filesystem::path& what, const std::filesystem::path& cfg = {});

/// The one writer: the module's tensors with `recipe` (and its [learned]) as their passport. `step` is the training's.
/// As safetensors, or in PyTorch's zip format when the name ends in .pt, .pth or .th.
void write_weights(const std::filesystem::path& path, const nn::Module& module, const Table& recipe, int64_t step = 0);

/// JSON as a recipe's value; null becomes an empty text.
Value value_of(const nlohmann::json& json);

}  // namespace hadal
