#include "hadal/data/vision/scenes/warp.h"

#include <algorithm>
#include <cmath>

#include "hadal/data/vision/transforms_check.h"

namespace hadal {
namespace {

double real(int64_t value) { return static_cast<double>(value); }

/// The pixels [first, last) of a row of `width` for which low <= from + x step < high.
void narrow(double from, double step, double low, double high, int64_t& first, int64_t& last) {
  if (step == 0) {
    if (from < low || from >= high) last = first;
    return;
  }
  double a = (low - from) / step, b = (high - from) / step;
  if (step < 0) std::swap(a, b);
  // Half open the other way round where the step goes back; a pixel on the edge belongs to one side alone.
  const double begin = step > 0 ? std::ceil(a) : std::floor(a) + 1, end = step > 0 ? std::ceil(b) : std::floor(b) + 1;
  first = static_cast<int64_t>(std::clamp(begin, real(first), real(last)));
  last = static_cast<int64_t>(std::clamp(end, real(first), real(last)));
}

/// Pixels of a picture within whole bounds, between which one may read.
struct Source {
  const uint8_t* data;
  int64_t stride, left, top, right, bottom;  // the last pixels that count: inclusive
};

Source source_of(const Tensor& picture, const Window& w) {
  const auto width = picture.size(1), height = picture.size(0);
  const auto whole = [](double v, int64_t most) { return std::clamp(static_cast<int64_t>(v), int64_t{0}, most - 1); };
  return {picture.const_data_ptr<uint8_t>(),        width * picture.size(2),
          whole(std::floor(w[0] + 1e-6), width),    whole(std::floor(w[1] + 1e-6), height),
          whole(std::ceil(w[2] - 1e-6) - 1, width), whole(std::ceil(w[3] - 1e-6) - 1, height)};
}

/// Bilinear at (u, v), counted from pixels' centres.
inline void blend(const Source& s, double u, double v, uint8_t* to) {
  const auto x = static_cast<int64_t>(std::floor(u * 256)), y = static_cast<int64_t>(std::floor(v * 256));
  const auto fx = static_cast<int32_t>(x & 255), fy = static_cast<int32_t>(y & 255);
  const auto x0 = std::clamp(x >> 8, s.left, s.right) * 3, x1 = std::clamp((x >> 8) + 1, s.left, s.right) * 3;
  const auto* row0 = s.data + std::clamp(y >> 8, s.top, s.bottom) * s.stride;
  const auto* row1 = s.data + std::clamp((y >> 8) + 1, s.top, s.bottom) * s.stride;
  for (int c = 0; c < 3; ++c) {
    const int32_t above = row0[x0 + c] * (256 - fx) + row0[x1 + c] * fx;
    const int32_t below = row1[x0 + c] * (256 - fx) + row1[x1 + c] * fx;
    to[c] = static_cast<uint8_t>((above * (256 - fy) + below * fy + (1 << 15)) >> 16);
  }
}

struct Rows {
  int64_t top, bottom, left, right;  // of the result, half open
};
Rows rows_of(const Window& w, const Tensor& out) {
  const auto cut = [](double v, int64_t most) { return static_cast<int64_t>(std::clamp(v, 0.0, real(most))); };
  return {cut(std::floor(w[1]), out.size(0)), cut(std::ceil(w[3]) + 1, out.size(0)), cut(std::floor(w[0]), out.size(1)),
          cut(std::ceil(w[2]) + 1, out.size(1))};
}

/// Calls put(pixel of the row, u, v) for every pixel of the result that comes from the window.
template <class Put>
void each_pixel(const Rows& rows, const Window& window, const Homography& back, int64_t y, const Put& put) {
  const double cy = real(y) + 0.5;
  const double u0 = back[0] * 0.5 + back[1] * cy + back[2], v0 = back[3] * 0.5 + back[4] * cy + back[5];
  if (back[6] == 0 && back[7] == 0) {
    auto first = rows.left, last = rows.right;
    narrow(u0, back[0], window[0], window[2], first, last);
    narrow(v0, back[3], window[1], window[3], first, last);
    for (auto x = first; x < last; ++x) put(x, u0 + real(x) * back[0], v0 + real(x) * back[3]);
    return;
  }
  const double w0 = back[6] * 0.5 + back[7] * cy + back[8];
  for (auto x = rows.left; x < rows.right; ++x) {
    const double w = w0 + real(x) * back[6];
    if (w <= 1e-9) continue;
    const double u = (u0 + real(x) * back[0]) / w, v = (v0 + real(x) * back[3]) / w;
    if (u >= window[0] && u < window[2] && v >= window[1] && v < window[3]) put(x, u, v);
  }
}

Homography scaled_to_one(Homography h) {
  if (h[8] != 0)
    for (auto& value : h) value /= h[8];
  h[8] = 1;
  return h;
}

void check_warp(const Homography& h) {
  require(std::all_of(h.begin(), h.end(), [](double v) { return std::isfinite(v); }),
          "[warp] the matrix is not finite");
}

}  // namespace

Homography followed_by(const Homography& first, const Homography& then) {
  Homography out{};
  for (size_t r = 0; r < 3; ++r)
    for (size_t c = 0; c < 3; ++c)
      for (size_t k = 0; k < 3; ++k) out[3 * r + c] += then[3 * r + k] * first[3 * k + c];
  return out;
}

Homography inverted(const Homography& m) {
  const Homography adjugate = {m[4] * m[8] - m[5] * m[7], m[2] * m[7] - m[1] * m[8], m[1] * m[5] - m[2] * m[4],
                               m[5] * m[6] - m[3] * m[8], m[0] * m[8] - m[2] * m[6], m[2] * m[3] - m[0] * m[5],
                               m[3] * m[7] - m[4] * m[6], m[1] * m[6] - m[0] * m[7], m[0] * m[4] - m[1] * m[3]};
  const double determinant = m[0] * adjugate[0] + m[1] * adjugate[3] + m[2] * adjugate[6];
  require(std::isfinite(determinant) && determinant != 0, "[warp] the matrix has no inverse");
  Homography out;
  for (size_t i = 0; i < 9; ++i) out[i] = adjugate[i] / determinant;
  return out;
}

std::array<double, 2> moved(const Homography& h, double x, double y) {
  const double w = h[6] * x + h[7] * y + h[8];
  return {(h[0] * x + h[1] * y + h[2]) / w, (h[3] * x + h[4] * y + h[5]) / w};
}

Window moved(const Homography& h, const Window& w) {
  Window out = {INFINITY, INFINITY, -INFINITY, -INFINITY};
  for (const auto x : {w[0], w[2]})
    for (const auto y : {w[1], w[3]}) {
      const auto p = moved(h, x, y);
      for (size_t axis = 0; axis < 2; ++axis)
        out[axis] = std::min(out[axis], p[axis]), out[axis + 2] = std::max(out[axis + 2], p[axis]);
    }
  return out;
}

void warp_onto(Tensor& out, const Tensor& picture, const Window& window, const Homography& forward) {
  check_warp(forward);
  const auto back = scaled_to_one(inverted(forward));
  const auto rows = rows_of(moved(forward, window), out);
  const auto source = source_of(picture, window);
  for (auto y = rows.top; y < rows.bottom; ++y) {
    auto* row = out.data_ptr<uint8_t>() + y * out.size(1) * 3;
    each_pixel(rows, window, back, y,
               [&](int64_t x, double u, double v) { blend(source, u - 0.5, v - 0.5, row + 3 * x); });
  }
}

void warp_mask_onto(Tensor& out, const Tensor& mask, const Window& window, const Homography& forward,
                    const Window& around) {
  check_warp(forward);
  const auto back = scaled_to_one(inverted(forward));
  const auto rows = rows_of(around, out);
  const auto height = mask.size(0), width = mask.size(1);
  const auto* from = mask.const_data_ptr<uint8_t>();
  for (auto y = rows.top; y < rows.bottom; ++y) {
    auto* row = out.data_ptr<uint8_t>() + y * out.size(1);
    each_pixel(rows, window, back, y, [&](int64_t x, double u, double v) {
      const auto column = std::clamp(static_cast<int64_t>(u), int64_t{0}, width - 1);
      row[x] = from[std::clamp(static_cast<int64_t>(v), int64_t{0}, height - 1) * width + column];
    });
  }
}

void shift_colors(Tensor& picture, double hue, double saturation, double value) {
  const auto pixels = picture.size(0) * picture.size(1);
  auto* at = picture.data_ptr<uint8_t>();
  const auto turn = static_cast<float>(6 * (hue - std::floor(hue)));
  const auto more = static_cast<float>(saturation), light = static_cast<float>(value);
  for (int64_t i = 0; i < pixels; ++i, at += 3) {
    const float r = at[0], g = at[1], b = at[2];
    const float high = std::max({r, g, b}), range = high - std::min({r, g, b});
    const float v = std::min(high * light, 255.0f);
    if (range == 0) {
      at[0] = at[1] = at[2] = static_cast<uint8_t>(v + 0.5f);
      continue;
    }
    const float part = std::min(range / high * more, 1.0f) * v;  // saturation times value
    float sector = high == r ? (g - b) / range : high == g ? 2 + (b - r) / range : 4 + (r - g) / range;
    sector += turn + (sector < 0 ? 6.0f : 0.0f);
    constexpr float kOffsets[] = {5, 3, 1};  // of red, green and blue on the wheel
    for (int c = 0; c < 3; ++c) {
      float k = kOffsets[c] + sector;
      while (k >= 6) k -= 6;
      at[c] = static_cast<uint8_t>(v - part * std::clamp(std::min(k, 4 - k), 0.0f, 1.0f) + 0.5f);
    }
  }
}

}  // namespace hadal
