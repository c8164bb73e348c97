// What a PyTorch pickle says of storages and tensors, checked and made real.
#pragma once
#include <functional>
#include <optional>

#include "hadal/io/pickle.h"
#include "hadal/io/tensors.h"

namespace hadal {

/// What a pickle says of a storage: ('storage', class, key, device, elements[, view]). The older format may give a part
/// of the storage: `first` and `count` elements of it.
struct StorageClaim {
  std::string_view key;
  torch::ScalarType dtype;  // kByte for untyped storages
  bool typed = true;
  int64_t elements = 0;
  int64_t first = 0, count = 0;
};

/// Nothing when the node is another kind of reference. Throws FileError for a malformed one.
std::optional<StorageClaim> read_storage_claim(const Pickle& pickle, const PickleNode& persistent,
                                               const std::string& file);

/// Gives the storage that is claimed, of at least that many elements; may throw.
using StorageSource = std::function<c10::Storage(const StorageClaim&)>;

/// Whether the object stands for a tensor, of whatever kind.
bool is_tensor_object(const Pickle& pickle, const PickleNode& node);

/// The tensor, a view of its storage. Throws FileError for one that leaves its storage or that cannot be read.
Tensor rebuild_tensor(const Pickle& pickle, const PickleNode& object, const StorageSource& storages,
                      const std::string& file, const std::string& name);

}  // namespace hadal
