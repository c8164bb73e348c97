// Tensors by name, as files of weights hold them.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

/// Named tensors in the order of their file or module, with the file's text entries.
struct NamedTensors {
  std::vector<std::pair<std::string, Tensor>> entries;
  std::map<std::string, std::string> metadata;
  std::string source;  // the file they came from, for messages

  void add(std::string name, Tensor tensor) { entries.emplace_back(std::move(name), std::move(tensor)); }
  /// nullptr when there is none. Looks through all entries; index() serves many look-ups.
  const Tensor* find(std::string_view name) const;
  /// Throws Error with the nearest names when there is none.
  const Tensor& at(std::string_view name) const;
  std::map<std::string, Tensor> index() const { return {entries.begin(), entries.end()}; }
  std::vector<std::string> names() const;
  size_t size() const { return entries.size(); }
};

/// How files call a type of element.
struct DtypeNames {
  torch::ScalarType dtype;
  std::string_view torch;        // torch.float32
  std::string_view safetensors;  // F32; empty where the format has no such type
  std::string_view storage;      // torch.FloatStorage; empty where only untyped storages hold it
};
/// nullptr when no file format here holds the type.
const DtypeNames* dtype_names(torch::ScalarType dtype);
const std::vector<DtypeNames>& all_dtype_names();

/// (64, 3, 7, 7), for messages.
std::string shape_text(at::IntArrayRef shape);

/// sizes multiplied; false when that overflows or a size is negative: for shapes that a file claims.
bool checked_numel(at::IntArrayRef shape, int64_t& numel);

}  // namespace hadal
