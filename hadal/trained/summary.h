// What all summaries begin with.
#pragma once
#include <string>

#include "hadal/core/torch.h"

namespace hadal {

/// "vit: 811,146 parameters".
std::string model_summary(const std::string& name, const nn::Module& module);

}  // namespace hadal
