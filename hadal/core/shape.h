// Shapes that a module insists on, with one wording for the error.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <fmt/ranges.h>

#include "hadal/core/error.h"
#include "hadal/core/torch.h"

namespace hadal {

/// "(2, 3, 28)", for messages.
inline std::string shape_text(const Tensor& tensor) { return fmt::format("({})", fmt::join(tensor.sizes(), ", ")); }

/// An extent that may be anything.
inline constexpr int64_t kAny = -1;

/// Throws Error, "[vit] wants (any, 3, 224, 224), got (2, 1, 28, 28)", unless every extent is the expected one.
inline void expect_shape(std::string_view where, const Tensor& tensor, const std::vector<int64_t>& expected) {
  bool fits = tensor.dim() == static_cast<int64_t>(expected.size());
  for (size_t i = 0; fits && i < expected.size(); ++i)
    fits = expected[i] == kAny || expected[i] == tensor.size(static_cast<int64_t>(i));
  if (fits) return;
  std::vector<std::string> wanted;
  for (const auto extent : expected) wanted.push_back(extent == kAny ? "any" : std::to_string(extent));
  fail("[{}] wants ({}), got {}", where, fmt::join(wanted, ", "), shape_text(tensor));
}

}  // namespace hadal
