// What a pickled module says of itself besides its tensors.
#pragma once
#include "hadal/io/pickle.h"
#include "hadal/io/tensors.h"

namespace hadal {

/// The module's own plain attributes (texts, numbers, lists and dictionaries of them) as JSON into the metadata, under
/// "module.NAME": an ultralytics file's yaml and names. What begins with _ is PyTorch's; all together at most 1 MB.
void take_module_words(const Pickle& pickle, const PickleNode& state, NamedTensors& out);

}  // namespace hadal
