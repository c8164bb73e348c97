// What the operations on pictures share.
#pragma once
#include <algorithm>
#include <cmath>

#include <fmt/ranges.h>

#include "hadal/core/error.h"
#include "hadal/core/torch.h"

namespace hadal {

/// The picture, contiguous. Throws UsageError unless it is uint8 (H, W, C) on the CPU with at least one pixel.
inline Tensor checked_picture(const char* where, const Tensor& image) {
  require(image.defined() && image.dim() == 3 && image.scalar_type() == torch::kUInt8 && image.device().is_cpu() &&
              image.numel() > 0,
          "[{}] wants a uint8 picture (H, W, C) in main memory, got {}", where,
          image.defined() ? fmt::format("{} [{}]", c10::toString(image.scalar_type()), fmt::join(image.sizes(), ", "))
                          : "no tensor");
  return image.contiguous();
}

/// As checked_picture, and C must be 1 or 3.
inline Tensor checked_color(const char* where, const Tensor& image) {
  auto picture = checked_picture(where, image);
  require(picture.size(2) == 1 || picture.size(2) == 3, "[{}] wants 1 or 3 channels, got {}", where, picture.size(2));
  return picture;
}

inline uint8_t to_byte(float value) { return static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f)); }
inline uint8_t round_to_byte(float value) { return static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f) + 0.5f); }

}  // namespace hadal
