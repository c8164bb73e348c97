// Weights under other libraries' names: one visible table a library, and what reads it.
#pragma once
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "hadal/core/torch.h"

namespace hadal {

/// How a name begins there and here; `#` is a layer's number. A row whose `ours` is empty leaves the tensor out.
struct NameRow {
  std::string_view theirs, ours;
  int part = -1;            // 0, 1, ...: a part of a tensor of ours, joined along the first dimension
  bool transposed = false;  // theirs is (in, out)
};

/// Every tensor under the name that the first fitting row of the first fitting table gives it; strangers keep theirs.
/// `where` is the model, for messages. Throws Error when a part is missing or does not fit beside the others.
TensorsByName renamed(const TensorsByName& weights, std::initializer_list<std::span<const NameRow>> tables,
                      std::string_view where);

}  // namespace hadal
