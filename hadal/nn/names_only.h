#pragma once

#include "hadal/core/torch.h"

namespace hadal {

/// A module without weights of its own: it only makes the names of those below it longer, as published files have them.
struct NamesOnly : nn::Module {};

}  // namespace hadal
