#include <cstring>

#include "hadal/data/vision/transforms.h"
#include "hadal/data/vision/transforms_check.h"

namespace hadal {
namespace {

/// For each new pixel along one axis: which old pixels it averages, and with what weights.
struct Taps {
  std::vector<int64_t> first, count;
  std::vector<float> weights;  // `most` for each new pixel
  int64_t most = 0, begin = 0, end = 0;
};

double filter_at(Interpolation kind, double x) {
  x = std::abs(x);
  if (kind == Interpolation::bilinear) return std::max(0.0, 1 - x);
  constexpr double a = -0.5;  // Keys 1981; the value that Pillow and antialiased torch use
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

Taps taps_along(double start, double length, int64_t count, int64_t low, int64_t high, Interpolation kind) {
  const double scale = length / static_cast<double>(count), stretch = std::max(scale, 1.0);
  const double support = (kind == Interpolation::bilinear ? 1 : 2) * stretch;
  Taps taps;
  taps.most = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  taps.weights.resize(taps.most * count);
  taps.begin = high, taps.end = low;
  for (int64_t i = 0; i < count; ++i) {
    const double center = start + (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::clamp(static_cast<int64_t>(std::floor(center - support + 0.5)), low, high - 1);
    const auto last = std::clamp(static_cast<int64_t>(std::floor(center + support + 0.5)), first + 1, high);
    auto* weights = &taps.weights[i * taps.most];
    const auto size = std::min(last - first, taps.most);
    double sum = 0;
    for (int64_t k = 0; k < size; ++k)
      sum += filter_at(kind, (static_cast<double>(first + k) + 0.5 - center) / stretch);
    for (int64_t k = 0; k < size; ++k)
      weights[k] = static_cast<float>(filter_at(kind, (static_cast<double>(first + k) + 0.5 - center) / stretch) / sum);
    taps.first.push_back(first);
    taps.count.push_back(size);
    taps.begin = std::min(taps.begin, first), taps.end = std::max(taps.end, first + size);
  }
  return taps;
}

/// sums[j] = sum over k of weights[k] rows[k][j].
[[gnu::always_inline]] inline void add_rows_here(const uint8_t* first, int64_t stride, const float* weights,
                                                 int64_t count, int64_t length, float* __restrict sums) {
  for (int64_t j = 0; j < length; ++j) sums[j] = weights[0] * static_cast<float>(first[j]);
  for (int64_t k = 1; k < count; ++k) {
    const uint8_t* row = first + k * stride;
    const float weight = weights[k];
    for (int64_t j = 0; j < length; ++j) sums[j] += weight * static_cast<float>(row[j]);
  }
}

using AddRows = void (*)(const uint8_t*, int64_t, const float*, int64_t, int64_t, float*);
void add_rows_plain(const uint8_t* first, int64_t stride, const float* weights, int64_t count, int64_t length,
                    float* sums) {
  add_rows_here(first, stride, weights, count, length, sums);
}
#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void add_rows_avx2(const uint8_t* first, int64_t stride, const float* weights,
                                               int64_t count, int64_t length, float* sums) {
  add_rows_here(first, stride, weights, count, length, sums);
}
AddRows best_add_rows() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? add_rows_avx2 : add_rows_plain;
}
#else
AddRows best_add_rows() { return add_rows_plain; }
#endif

/// Four neighbouring floats at once: the three channels of a pixel and one that is thrown away.
using Four = float __attribute__((vector_size(16)));

void average_along_row(const float* sums, const Taps& taps, uint8_t* out) {
  const auto count = static_cast<int64_t>(taps.first.size());
  for (int64_t x = 0; x < count; ++x) {
    const auto* from = sums + (taps.first[x] - taps.begin) * 3;
    const auto* weights = &taps.weights[x * taps.most];
    Four total = {};
    for (int64_t k = 0; k < taps.count[x]; ++k) {
      Four pixel;
      std::memcpy(&pixel, from + 3 * k, sizeof pixel);
      total += pixel * weights[k];
    }
    for (int c = 0; c < 3; ++c) out[3 * x + c] = round_to_byte(total[c]);
  }
}

void average_along_row(const float* sums, const Taps& taps, int64_t channels, uint8_t* out) {
  if (channels == 3) return average_along_row(sums, taps, out);
  const auto count = static_cast<int64_t>(taps.first.size());
  for (int64_t x = 0; x < count; ++x)
    for (int64_t c = 0; c < channels; ++c) {
      const auto* from = sums + (taps.first[x] - taps.begin) * channels + c;
      float total = 0;
      for (int64_t k = 0; k < taps.count[x]; ++k) total += taps.weights[x * taps.most + k] * from[k * channels];
      out[x * channels + c] = round_to_byte(total);
    }
}

Tensor resize_nearest(const Tensor& picture, int64_t height, int64_t width) {
  const auto [old_height, old_width] = size_of(picture);
  const auto channels = picture.size(2);
  auto out = torch::empty({height, width, channels}, torch::kUInt8);
  std::vector<int64_t> columns(width);
  const double step_x = static_cast<double>(old_width) / static_cast<double>(width);
  const double step_y = static_cast<double>(old_height) / static_cast<double>(height);
  for (int64_t x = 0; x < width; ++x)
    columns[x] = std::min(static_cast<int64_t>((static_cast<double>(x) + 0.5) * step_x), old_width - 1) * channels;
  auto* to = out.mutable_data_ptr<uint8_t>();
  for (int64_t y = 0; y < height; ++y) {
    const auto row = std::min(static_cast<int64_t>((static_cast<double>(y) + 0.5) * step_y), old_height - 1);
    const auto* from = picture.const_data_ptr<uint8_t>() + row * old_width * channels;
    for (int64_t x = 0; x < width; ++x, to += channels) std::copy_n(from + columns[x], channels, to);
  }
  return out;
}

void check_target(const char* where, int64_t height, int64_t width) {
  require(height > 0 && width > 0, "[{}] the new size must be at least 1 x 1, got {} x {}", where, height, width);
}

}  // namespace

Tensor resample(const Tensor& image, const SourceBox& box, const PixelBox& bounds, int64_t height, int64_t width,
                Interpolation kind) {
  const auto picture = checked_picture("resample", image);
  check_target("resample", height, width);
  require(kind != Interpolation::nearest, "[resample] is bilinear or bicubic; resize() also takes nearest");
  const auto size = size_of(picture);
  require(bounds.left >= 0 && bounds.top >= 0 && bounds.width > 0 && bounds.height > 0 &&
              bounds.left + bounds.width <= size.width && bounds.top + bounds.height <= size.height && box.width > 0 &&
              box.height > 0,
          "[resample] the bounds {} x {} at ({}, {}) are not within the picture's {} x {}", bounds.width, bounds.height,
          bounds.left, bounds.top, size.width, size.height);
  const auto across = taps_along(box.left, box.width, width, bounds.left, bounds.left + bounds.width, kind);
  const auto down = taps_along(box.top, box.height, height, bounds.top, bounds.top + bounds.height, kind);
  const auto channels = picture.size(2), length = (across.end - across.begin) * channels;
  std::vector<float> sums(length + 4);
  static const auto add_rows = best_add_rows();
  auto out = torch::empty({height, width, channels}, torch::kUInt8);
  const auto stride = size.width * channels;
  const auto* from = picture.const_data_ptr<uint8_t>() + across.begin * channels;
  for (int64_t y = 0; y < height; ++y) {
    add_rows(from + down.first[y] * stride, stride, &down.weights[y * down.most], down.count[y], length, sums.data());
    average_along_row(sums.data(), across, channels, out.mutable_data_ptr<uint8_t>() + y * width * channels);
  }
  return out;
}

Tensor resize(const Tensor& image, int64_t height, int64_t width, Interpolation kind) {
  const auto picture = checked_picture("resize", image);
  check_target("resize", height, width);
  const auto size = size_of(picture);
  if (size == ImageSize{height, width}) return picture;
  if (kind == Interpolation::nearest) return resize_nearest(picture, height, width);
  return resample(picture, {0, 0, static_cast<double>(size.width), static_cast<double>(size.height)},
                  {0, 0, size.width, size.height}, height, width, kind);
}

Tensor resize_shorter(const Tensor& image, int64_t shorter, Interpolation kind) {
  const auto size = shorter_side_size(size_of(checked_picture("resize_shorter", image)), shorter);
  return resize(image, size.height, size.width, kind);
}

Tensor resized_crop(const Tensor& image, const PixelBox& box, int64_t height, int64_t width, Interpolation kind) {
  return resize(crop(image, box), height, width, kind);
}

}  // namespace hadal
