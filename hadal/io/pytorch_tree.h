// Which tensors of a PyTorch pickle are taken, and under which names.
#pragma once
#include "hadal/io/pytorch_tensor.h"

namespace hadal {

/// Adds the tensors, by the rule of read_pytorch, and the outermost plain values as metadata.
void take_tensors(const Pickle& pickle, const StorageSource& storages, const std::string& file, NamedTensors& out);

}  // namespace hadal
