// Scores by name, in the order they are shown.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace hadal {

/// "accuracy" or, with its split, "val/accuracy".
using Metrics = std::vector<std::pair<std::string, double>>;

}  // namespace hadal
