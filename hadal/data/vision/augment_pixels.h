// The last pass over a picture: from levels to normalised floats, one plane a channel.
#pragma once
#include <array>
#include <cstdint>

#include "hadal/data/vision/transforms.h"

namespace hadal {

/// Pixels in memory: (height, width, channels) uint8, without gaps.
struct PixelView {
  const uint8_t* data;
  int64_t height, width, channels;
};
inline PixelView view_of(const Tensor& image) {
  return {image.const_data_ptr<uint8_t>(), image.size(0), image.size(1), image.size(2)};
}

using LevelTables = std::array<std::array<float, 256>, 3>;

/// The `size` x `size` part at (left, top), mirrored where asked, through the tables; level 0 beyond the picture.
void write_planes(const PixelView&, int64_t left, int64_t top, bool mirror_x, bool mirror_y, const LevelTables&,
                  int64_t size, float* out);

/// `size` x `size` pixels through `back` (from new to old coordinates), bilinear; level v becomes v scale[c] +
/// shift[c]; level 0 beyond the picture.
void warp_planes(const PixelView&, const AffineMatrix& back, const std::array<float, 3>& scale,
                 const std::array<float, 3>& shift, int64_t size, float* out);

}  // namespace hadal
