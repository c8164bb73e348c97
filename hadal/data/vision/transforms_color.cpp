#include <array>

#include "hadal/data/vision/transforms.h"
#include "hadal/data/vision/transforms_check.h"

namespace hadal {
namespace {

using Table = std::array<uint8_t, 256>;

template <class F>
Table table_of(F&& value) {
  Table table;
  for (int i = 0; i < 256; ++i) table[i] = value(i);
  return table;
}

Tensor look_up(const Tensor& picture, const Table& table) {
  auto out = torch::empty_like(picture);
  const auto* from = picture.const_data_ptr<uint8_t>();
  std::transform(from, from + picture.numel(), out.mutable_data_ptr<uint8_t>(), [&](uint8_t v) { return table[v]; });
  return out;
}

/// A table for each channel, made from the channel's histogram.
template <class F>
Tensor look_up_by_channel(const Tensor& picture, F&& table_from) {
  auto out = torch::empty_like(picture);
  const auto channels = picture.size(2), count = picture.numel();
  for (int64_t c = 0; c < channels; ++c) {
    const auto* from = picture.const_data_ptr<uint8_t>();
    auto* to = out.mutable_data_ptr<uint8_t>();
    std::array<int64_t, 256> histogram{};
    for (int64_t i = c; i < count; i += channels) ++histogram[from[i]];
    const Table table = table_from(histogram);
    for (int64_t i = c; i < count; i += channels) to[i] = table[from[i]];
  }
  return out;
}

float luma(const uint8_t* rgb) {
  return 0.2989f * static_cast<float>(rgb[0]) + 0.587f * static_cast<float>(rgb[1]) +
         0.114f * static_cast<float>(rgb[2]);
}

float blend(float image, float other, float factor) { return factor * image + (1 - factor) * other; }

float checked_factor(const char* where, double factor) {
  require(factor >= 0 && std::isfinite(factor), "[{}] the factor must be at least 0, got {}", where, factor);
  return static_cast<float>(factor);
}

/// Turns the hue of one pixel by `shift` of the wheel, through HSV, channels from 0 to 1.
void turn_hue(const uint8_t* from, float shift, uint8_t* to) {
  const float r = static_cast<float>(from[0]) / 255, g = static_cast<float>(from[1]) / 255,
              b = static_cast<float>(from[2]) / 255;
  const float high = std::max({r, g, b}), range = high - std::min({r, g, b});
  if (range == 0) {
    std::copy_n(from, 3, to);
    return;
  }
  float sector = high == r ? (g - b) / range : high == g ? 2 + (b - r) / range : 4 + (r - g) / range;
  float hue = sector / 6 + shift;
  hue = (hue - std::floor(hue)) * 6;
  const float saturation = range / high;
  const float whole = std::floor(hue), part = hue - whole;
  const float p = high * (1 - saturation), q = high * (1 - saturation * part), t = high * (1 - saturation * (1 - part));
  const std::array<std::array<float, 3>, 6> sextants = {
      {{high, t, p}, {q, high, p}, {p, high, t}, {p, q, high}, {t, p, high}, {high, p, q}}};
  const auto& rgb = sextants[static_cast<int>(whole) % 6];
  for (int c = 0; c < 3; ++c) to[c] = to_byte(rgb[c] * 255.999f);  // torchvision's float to uint8
}

/// 3x3 blur with a heavy centre (1/13, and 5/13 in the middle), rounded; inner pixels only.
float blurred(const uint8_t* pixel, int64_t stride, int64_t channels) {
  float sum = 4 * static_cast<float>(*pixel);
  for (const auto row : {-stride, int64_t{0}, stride})
    for (const auto column : {-channels, int64_t{0}, channels}) sum += static_cast<float>(pixel[row + column]);
  return std::nearbyint(sum / 13);
}

}  // namespace

Tensor adjust_brightness(const Tensor& image, double factor) {
  const auto f = checked_factor("adjust_brightness", factor);
  return look_up(checked_color("adjust_brightness", image),
                 table_of([&](int v) { return to_byte(f * static_cast<float>(v)); }));
}

Tensor adjust_contrast(const Tensor& image, double factor) {
  const auto picture = checked_color("adjust_contrast", image);
  const auto f = checked_factor("adjust_contrast", factor);
  const auto* from = picture.const_data_ptr<uint8_t>();
  const auto count = picture.size(0) * picture.size(1), channels = picture.size(2);
  int64_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += channels == 3 ? static_cast<int64_t>(luma(from + 3 * i)) : from[i];
  const auto mean = static_cast<float>(static_cast<double>(sum) / static_cast<double>(count));
  return look_up(picture, table_of([&](int v) { return to_byte(blend(static_cast<float>(v), mean, f)); }));
}

Tensor adjust_saturation(const Tensor& image, double factor) {
  const auto picture = checked_color("adjust_saturation", image);
  const auto f = checked_factor("adjust_saturation", factor);
  if (picture.size(2) == 1) return picture;
  auto out = torch::empty_like(picture);
  const auto* from = picture.const_data_ptr<uint8_t>();
  auto* to = out.mutable_data_ptr<uint8_t>();
  for (int64_t i = 0; i < picture.numel(); i += 3) {
    const float grey = std::floor(luma(from + i));
    for (int c = 0; c < 3; ++c) to[i + c] = to_byte(blend(static_cast<float>(from[i + c]), grey, f));
  }
  return out;
}

Tensor adjust_sharpness(const Tensor& image, double factor) {
  const auto picture = checked_color("adjust_sharpness", image);
  const auto f = checked_factor("adjust_sharpness", factor);
  const auto [height, width] = size_of(picture);
  const auto channels = picture.size(2), stride = width * channels;
  auto out = picture.clone();
  const auto* from = picture.const_data_ptr<uint8_t>();
  auto* to = out.mutable_data_ptr<uint8_t>();
  for (int64_t y = 1; y + 1 < height; ++y)
    for (int64_t i = y * stride + channels; i < (y + 1) * stride - channels; ++i)
      to[i] = to_byte(blend(static_cast<float>(from[i]), blurred(from + i, stride, channels), f));
  return out;
}

Tensor adjust_hue(const Tensor& image, double shift) {
  const auto picture = checked_color("adjust_hue", image);
  require(shift >= -0.5 && shift <= 0.5, "[adjust_hue] the shift must lie from -0.5 to 0.5, got {}", shift);
  if (picture.size(2) == 1) return picture;
  auto out = torch::empty_like(picture);
  const auto* from = picture.const_data_ptr<uint8_t>();
  auto* to = out.mutable_data_ptr<uint8_t>();
  for (int64_t i = 0; i < picture.numel(); i += 3) turn_hue(from + i, static_cast<float>(shift), to + i);
  return out;
}

Tensor grayscale(const Tensor& image, int64_t channels) {
  const auto picture = checked_color("grayscale", image);
  require(channels == 1 || channels == 3, "[grayscale] makes 1 or 3 channels, got {}", channels);
  auto out = torch::empty({picture.size(0), picture.size(1), channels}, torch::kUInt8);
  const auto* from = picture.const_data_ptr<uint8_t>();
  auto* to = out.mutable_data_ptr<uint8_t>();
  const auto old = picture.size(2);
  for (int64_t i = 0; i < picture.numel(); i += old, to += channels)
    std::fill_n(to, channels, old == 1 ? from[i] : to_byte(luma(from + i)));
  return out;
}

Tensor to_channels(const Tensor& image, int64_t channels) {
  const auto picture = checked_color("to_channels", image);
  return picture.size(2) == channels ? picture : grayscale(picture, channels);
}

Tensor invert(const Tensor& image) {
  return look_up(checked_color("invert", image), table_of([](int v) { return static_cast<uint8_t>(255 - v); }));
}

Tensor posterize(const Tensor& image, int64_t bits) {
  require(bits >= 0 && bits <= 8, "[posterize] keeps 0 to 8 bits, got {}", bits);
  const int mask = 0xFF & ~((1 << (8 - bits)) - 1);
  return look_up(checked_color("posterize", image), table_of([&](int v) { return static_cast<uint8_t>(v & mask); }));
}

Tensor solarize(const Tensor& image, double threshold) {
  return look_up(checked_color("solarize", image),
                 table_of([&](int v) { return static_cast<uint8_t>(v >= threshold ? 255 - v : v); }));
}

Tensor autocontrast(const Tensor& image) {
  return look_up_by_channel(checked_color("autocontrast", image), [](const std::array<int64_t, 256>& histogram) {
    int low = 0, high = 255;
    while (histogram[low] == 0) ++low;
    while (histogram[high] == 0) --high;
    if (low == high) return table_of([](int v) { return static_cast<uint8_t>(v); });
    const float step = static_cast<float>(high - low) * (1.0f / 255);
    return table_of([&](int v) { return to_byte(static_cast<float>(v - low) / step); });
  });
}

Tensor equalize(const Tensor& image) {
  return look_up_by_channel(checked_color("equalize", image), [](const std::array<int64_t, 256>& histogram) {
    int high = 255;
    while (histogram[high] == 0) --high;
    int64_t before = 0, below_high = 0;
    for (int v = 0; v < high; ++v) below_high += histogram[v];
    const auto step = below_high / 255;  // Pillow's rule: pixels per new level, leaving out the highest
    if (step == 0) return table_of([](int v) { return static_cast<uint8_t>(v); });
    return table_of([&](int v) {
      const auto level = v == 0 ? 0 : std::min((before + step / 2) / step, int64_t{255});
      before += histogram[v];
      return static_cast<uint8_t>(level);
    });
  });
}

}  // namespace hadal
