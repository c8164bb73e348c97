#include "hadal/data/vision/augment_pixels.h"

#include <algorithm>
#include <cmath>

namespace hadal {
namespace {

/// Which new columns lie within the old picture.
struct Span {
  int64_t first, last;
};
Span span_within(int64_t start, int64_t length, int64_t size, bool mirror) {
  const auto first = std::clamp(-start, int64_t{0}, size), last = std::clamp(length - start, first, size);
  return mirror ? Span{size - last, size - first} : Span{first, last};
}

template <int64_t channels>
void write_row(const uint8_t* from, int64_t step, Span span, const LevelTables& tables, int64_t size, float* out) {
  for (int64_t c = 0; c < channels; ++c) {
    auto* plane = out + c * size * size;
    std::fill_n(plane, span.first, tables[c][0]);
    std::fill(plane + span.last, plane + size, tables[c][0]);
    const auto* pixel = from + c;
    for (int64_t x = span.first; x < span.last; ++x, pixel += step) plane[x] = tables[c][*pixel];
  }
}

template <int64_t channels>
void warp_pixel(const PixelView& view, float x, float y, const float* scale, const float* shift, int64_t plane,
                float* out) {
  // Rounds down, as both are at least -2; std::floor is a call where SSE4.1 is not taken for granted.
  const int64_t column = static_cast<int32_t>(x + 2) - 2, row = static_cast<int32_t>(y + 2) - 2;
  const float right = x - static_cast<float>(column), down = y - static_cast<float>(row);
  const auto stride = view.width * channels;
  if (column >= 0 && row >= 0 && column + 1 < view.width && row + 1 < view.height) {
    const auto* p = view.data + row * stride + column * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const auto at = [&](int64_t i) { return static_cast<float>(p[i + c]); };
      const float upper = at(0) + right * (at(channels) - at(0));
      const float lower = at(stride) + right * (at(stride + channels) - at(stride));
      out[c * plane] = (upper + down * (lower - upper)) * scale[c] + shift[c];
    }
    return;
  }
  const float weights[] = {(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down};
  for (int64_t c = 0; c < channels; ++c) {
    float level = 0;
    for (int corner = 0; corner < 4; ++corner) {
      const auto r = row + corner / 2, k = column + corner % 2;
      if (r >= 0 && k >= 0 && r < view.height && k < view.width)
        level += weights[corner] * static_cast<float>(view.data[r * stride + k * channels + c]);
    }
    out[c * plane] = level * scale[c] + shift[c];
  }
}

template <int64_t channels>
void warp(const PixelView& view, const AffineMatrix& back, const float* scale, const float* shift, int64_t size,
          float* out) {
  const auto width = static_cast<float>(view.width), height = static_cast<float>(view.height);
  for (int64_t y = 0; y < size; ++y)
    for (int64_t x = 0; x < size; ++x, ++out) {
      const double u = static_cast<double>(x) + 0.5, v = static_cast<double>(y) + 0.5;
      const auto from_x = static_cast<float>(back[0] * u + back[1] * v + back[2] - 0.5);
      const auto from_y = static_cast<float>(back[3] * u + back[4] * v + back[5] - 0.5);
      // Clamped so that far away coordinates fit an integer; all of them are black.
      warp_pixel<channels>(view, std::clamp(from_x, -2.0f, width), std::clamp(from_y, -2.0f, height), scale, shift,
                           size * size, out);
    }
}

}  // namespace

void write_planes(const PixelView& view, int64_t left, int64_t top, bool mirror_x, bool mirror_y,
                  const LevelTables& tables, int64_t size, float* out) {
  const auto columns = span_within(left, view.width, size, mirror_x);
  const auto step = mirror_x ? -view.channels : view.channels;
  const auto first = left + (mirror_x ? size - 1 - columns.first : columns.first);
  for (int64_t y = 0; y < size; ++y, out += size) {
    const auto row = top + (mirror_y ? size - 1 - y : y);
    const bool inside = row >= 0 && row < view.height && columns.first < columns.last;
    const auto span = inside ? columns : Span{0, 0};
    const auto* from = inside ? view.data + (row * view.width + first) * view.channels : view.data;
    if (view.channels == 1)
      write_row<1>(from, step, span, tables, size, out);
    else
      write_row<3>(from, step, span, tables, size, out);
  }
}

void warp_planes(const PixelView& view, const AffineMatrix& back, const std::array<float, 3>& scale,
                 const std::array<float, 3>& shift, int64_t size, float* out) {
  if (view.channels == 1)
    warp<1>(view, back, scale.data(), shift.data(), size, out);
  else
    warp<3>(view, back, scale.data(), shift.data(), size, out);
}

}  // namespace hadal
