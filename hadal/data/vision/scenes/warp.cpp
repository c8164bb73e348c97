#include "hadal/data/vision/scenes/warp.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "hadal/data/vision/transforms_check.h"

namespace hadal {
namespace {

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
  int64_t width;
};

Source source_of(const Tensor& picture, const Window& w) {
  const auto width = picture.size(1), height = picture.size(0);
  const auto whole = [](double v, int64_t most) { return std::clamp(static_cast<int64_t>(v), int64_t{0}, most - 1); };
  return {picture.const_data_ptr<uint8_t>(),
          width * picture.size(2),
          whole(std::floor(w[0] + 1e-6), width),
          whole(std::floor(w[1] + 1e-6), height),
          whole(std::ceil(w[2] - 1e-6) - 1, width),
          whole(std::ceil(w[3] - 1e-6) - 1, height),
          width};
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

/// Four bytes as four lanes of 16 bits.
inline uint64_t lanes(const uint8_t* pixel) {
  uint32_t bytes;
  std::memcpy(&bytes, pixel, 4);
  uint64_t out = bytes;
  out = (out | out << 16) & 0x0000ffff0000ffff;
  return (out | out << 8) & 0x00ff00ff00ff00ff;
}
inline uint64_t between(uint64_t a, uint64_t b, uint64_t share) {
  return ((a * (256 - share) + b * share + 0x0080008000800080) >> 8) & 0x00ff00ff00ff00ff;
}

/// A row of an affine warp: what lies at least a pixel within the window needs no look at its edges.
void warp_row(const Source& s, const Rows& rows, const Window& window, const Homography& back, int64_t y,
              uint8_t* row) {
  const double cy = real(y) + 0.5;
  const double u0 = back[0] * 0.5 + back[1] * cy + back[2], v0 = back[3] * 0.5 + back[4] * cy + back[5];
  auto first = rows.left, last = rows.right;
  narrow(u0, back[0], window[0], window[2], first, last);
  narrow(v0, back[3], window[1], window[3], first, last);
  // Four bytes are read for three: the last column of the last row must not be one of them. A hair of slack covers
  // what the steps of 1/65536 add up to.
  constexpr double kSlack = 0.1;
  auto from = first, to = last;
  narrow(u0 - 0.5, back[0], real(s.left) + kSlack, real(std::min(s.right, s.width - 2)) - kSlack, from, to);
  narrow(v0 - 0.5, back[3], real(s.top) + kSlack, real(s.bottom) - kSlack, from, to);
  to = std::min(to, from + 8192);
  if (from >= to) from = to = last;
  const auto slow = [&](int64_t x) {
    blend(s, u0 + real(x) * back[0] - 0.5, v0 + real(x) * back[3] - 0.5, row + 3 * x);
  };
  for (auto x = first; x < from; ++x) slow(x);
  const auto fixed = [](double v) { return static_cast<int64_t>(std::floor(v * 65536 + 0.5)); };
  auto u = fixed(u0 + real(from) * back[0] - 0.5), v = fixed(v0 + real(from) * back[3] - 0.5);
  const auto du = fixed(back[0]), dv = fixed(back[3]);
  for (auto x = from; x < to; ++x, u += du, v += dv) {
    const auto* at = s.data + (v >> 16) * s.stride + (u >> 16) * 3;
    const auto across = static_cast<uint64_t>(u >> 8 & 255), down = static_cast<uint64_t>(v >> 8 & 255);
    const auto pixel = between(between(lanes(at), lanes(at + 3), across),
                               between(lanes(at + s.stride), lanes(at + s.stride + 3), across), down);
    row[3 * x] = static_cast<uint8_t>(pixel);
    row[3 * x + 1] = static_cast<uint8_t>(pixel >> 16);
    row[3 * x + 2] = static_cast<uint8_t>(pixel >> 32);
  }
  for (auto x = to; x < last; ++x) slow(x);
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

constexpr int64_t kBlock = 256;

/// Through HSV without a branch, so that it runs on whole registers. A grey pixel has no range and keeps its hue out.
[[gnu::always_inline]] inline void shift_block_here(uint8_t* at, int64_t count, float turn, float more, float light) {
  float r[kBlock], g[kBlock], b[kBlock];
  for (int64_t i = 0; i < count; ++i) r[i] = at[3 * i], g[i] = at[3 * i + 1], b[i] = at[3 * i + 2];
  for (int64_t i = 0; i < count; ++i) {
    const float high = std::max(r[i], std::max(g[i], b[i])), range = high - std::min(r[i], std::min(g[i], b[i]));
    const float v = std::min(high * light, 255.0f);
    const float part = std::min(range * more / std::max(high, 1.0f), 1.0f) * v;  // saturation times value
    const float scale = 1 / std::max(range, 1.0f);
    const float red = (g[i] - b[i]) * scale, green = 2 + (b[i] - r[i]) * scale, blue = 4 + (r[i] - g[i]) * scale;
    const float sector = turn + (high == r[i] ? red : high == g[i] ? green : blue);
    const auto channel = [&](float offset) {  // of the channel on the wheel
      const float k = sector + offset;
      const float within = k - 6 * static_cast<float>(static_cast<int32_t>((k + 6) / 6) - 1);
      return v - part * std::max(0.0f, std::min(std::min(within, 4 - within), 1.0f)) + 0.5f;
    };
    r[i] = channel(5), g[i] = channel(3), b[i] = channel(1);
  }
  for (int64_t i = 0; i < count; ++i) {
    at[3 * i] = static_cast<uint8_t>(r[i]);
    at[3 * i + 1] = static_cast<uint8_t>(g[i]);
    at[3 * i + 2] = static_cast<uint8_t>(b[i]);
  }
}

using ShiftBlock = void (*)(uint8_t*, int64_t, float, float, float);
void shift_block_plain(uint8_t* at, int64_t count, float turn, float more, float light) {
  shift_block_here(at, count, turn, more, light);
}
#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void shift_block_avx2(uint8_t* at, int64_t count, float turn, float more, float light) {
  shift_block_here(at, count, turn, more, light);
}
ShiftBlock best_shift_block() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? shift_block_avx2 : shift_block_plain;
}
#else
ShiftBlock best_shift_block() { return shift_block_plain; }
#endif

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
  const bool affine = back[6] == 0 && back[7] == 0;
  for (auto y = rows.top; y < rows.bottom; ++y) {
    auto* row = out.data_ptr<uint8_t>() + y * out.size(1) * 3;
    if (affine)
      warp_row(source, rows, window, back, y, row);
    else
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
  static const auto shift_block = best_shift_block();
  const auto count = picture.size(0) * picture.size(1);
  const auto turn = static_cast<float>(6 * (hue - std::floor(hue)));
  auto* at = picture.data_ptr<uint8_t>();
  for (int64_t i = 0; i < count; i += kBlock)
    shift_block(at + 3 * i, std::min(kBlock, count - i), turn, static_cast<float>(saturation),
                static_cast<float>(value));
}

}  // namespace hadal
