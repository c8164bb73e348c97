// Weights of modules: out of a module, into a file, and back by name.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "hadal/io/tensors.h"

namespace hadal {

/// Parameters and buffers under their full names, in Python's state_dict order; they share the module's memory.
NamedTensors state_dict(const nn::Module& module);

/// Safetensors, PyTorch's .pt/.pth/.th or llama2.c's .bin, told apart by content; or the index of weights in several
/// such files, as Hugging Face has it (model.safetensors.index.json), or a folder with either. Throws FileError when it
/// is none of them.
NamedTensors read_weights(const std::filesystem::path& path);

/// In a folder as Hugging Face has it, the weights or their index; any other path as it is.
std::filesystem::path weights_in(const std::filesystem::path& path);

/// Without what wrappers put before every name (`module.`, `_orig_mod.`, `model.`, `net.`, `network.`, also one in
/// another) and without AveragedModel's counter: what a table of another library's names can read. Nothing is taken off
/// names that are `module`'s own as they are: YOLO calls its layers model.0.
NamedTensors unwrapped(NamedTensors weights, const nn::Module* module = nullptr);

/// As safetensors, or in PyTorch's zip format when the name ends in .pt, .pth or .th.
void save_weights(const std::filesystem::path& path, const nn::Module& module,
                  std::map<std::string, std::string> metadata = {});

struct LoadOptions {
  /// Missing, unexpected and wrong-shaped names are an error; otherwise what fits is loaded and the report says the
  /// rest.
  bool strict = true;
  /// Taken off the names that begin with it. Empty: what unwrapped() knows is taken off by itself where that makes more
  /// names match.
  std::string prefix;
  /// Maps a name of the file (without its prefix) to the module's; an empty result leaves the entry out.
  std::function<std::string(const std::string&)> rename;
  /// Names that begin with one of these stay as they are initialised where the file has none of them or they are of
  /// other sizes: the number of classes, and what follows from it.
  std::vector<std::string> head;
};

struct LoadReport {
  struct Shape {
    std::string name;
    std::vector<int64_t> file, module;
  };
  size_t loaded = 0;
  std::string prefix;                                          // what was taken off
  std::vector<std::string> missing, unexpected, missing_head;  // missing_head: of LoadOptions' head, no mistake
  std::vector<Shape> wrong_shape, fresh_head;

  bool clean() const { return missing.empty() && unexpected.empty() && wrong_shape.empty(); }
  /// One line: what was loaded, what was not, a few names and a count of each.
  std::string text() const;
};

/// Copies tensors into the module's parameters and buffers of the same name, converting the type of element. A missing
/// `num_batches_tracked` (files from before PyTorch 0.4.1) is no mistake, nor is AveragedModel's counter. Throws Error,
/// and leaves the module as it was, when strict loading finds a mistake, and in every mode when hardly any name
/// matches: weights of another model.
LoadReport load_weights(nn::Module& module, const NamedTensors& weights, const LoadOptions& options = {});
LoadReport load_weights(nn::Module& module, const std::filesystem::path& path, const LoadOptions& options = {});

}  // namespace hadal
