#include <numbers>

#include "hadal/data/vision/transforms.h"
#include "hadal/data/vision/transforms_check.h"

namespace hadal {
namespace {

double radians(double degrees) { return degrees * std::numbers::pi / 180; }

/// Turn and shear without scale; its determinant is 1.
std::array<double, 4> turn_and_shear(const Affine& a) {
  const double turn = radians(a.angle), x = std::tan(radians(a.shear_x)), y = radians(a.shear_y);
  const double c = std::cos(turn - y) / std::cos(y), s = std::sin(turn - y) / std::cos(y);
  return {c, -c * x - std::sin(turn), s, -s * x + std::cos(turn)};
}

void check_affine(const Affine& a) {
  require(a.scale > 0 && std::isfinite(a.scale), "[affine] scale must be above 0, got {}", a.scale);
  require(std::abs(a.shear_x) < 90 && std::abs(a.shear_y) < 90,
          "[affine] shear must lie between -90 and 90 degrees, got {} and {}", a.shear_x, a.shear_y);
  require(std::isfinite(a.angle) && std::isfinite(a.translate_x) && std::isfinite(a.translate_y),
          "[affine] angle and shift must be finite, got {}, {}, {}", a.angle, a.translate_x, a.translate_y);
}

std::array<double, 2> center_of(const Affine& a, ImageSize size) {
  return a.center.value_or(std::array{static_cast<double>(size.width) / 2, static_cast<double>(size.height) / 2});
}

/// Where new pixel (x, y) comes from, in old pixels' indices (a pixel's centre is its index).
struct Origin {
  double x, y;
};
Origin origin_of(const AffineMatrix& back, int64_t x, int64_t y) {
  const double u = static_cast<double>(x) + 0.5, v = static_cast<double>(y) + 0.5;
  return {back[0] * u + back[1] * v + back[2] - 0.5, back[3] * u + back[4] * v + back[5] - 0.5};
}

void warp_nearest(const Tensor& picture, const AffineMatrix& back, Tensor& out) {
  const auto [height, width] = size_of(picture);
  const auto channels = picture.size(2);
  const auto* from = picture.const_data_ptr<uint8_t>();
  auto* to = out.mutable_data_ptr<uint8_t>();
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x, to += channels) {
      const auto origin = origin_of(back, x, y);
      const double column = std::nearbyint(origin.x), row = std::nearbyint(origin.y);
      if (column < 0 || row < 0 || column >= static_cast<double>(width) || row >= static_cast<double>(height)) continue;
      std::copy_n(from + (static_cast<int64_t>(row) * width + static_cast<int64_t>(column)) * channels, channels, to);
    }
}

void warp_bilinear(const Tensor& picture, const AffineMatrix& back, uint8_t fill, Tensor& out) {
  const auto [height, width] = size_of(picture);
  const auto channels = picture.size(2);
  const auto* from = picture.const_data_ptr<uint8_t>();
  auto* to = out.mutable_data_ptr<uint8_t>();
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x, to += channels) {
      const auto origin = origin_of(back, x, y);
      const double left = std::floor(origin.x), top = std::floor(origin.y);
      if (left < -1 || top < -1 || left >= static_cast<double>(width) || top >= static_cast<double>(height)) continue;
      const auto column = static_cast<int64_t>(left), row = static_cast<int64_t>(top);
      const auto right = static_cast<float>(origin.x - left), down = static_cast<float>(origin.y - top);
      const float weights[] = {(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down};
      for (int64_t c = 0; c < channels; ++c) {
        float total = 0;
        for (int corner = 0; corner < 4; ++corner) {
          const auto r = row + corner / 2, k = column + corner % 2;
          const bool inside = r >= 0 && k >= 0 && r < height && k < width;
          total += weights[corner] * static_cast<float>(inside ? from[(r * width + k) * channels + c] : fill);
        }
        to[c] = round_to_byte(total);
      }
    }
}

}  // namespace

ImageSize size_of(const Tensor& image) { return {image.size(0), image.size(1)}; }

ImageSize shorter_side_size(ImageSize size, int64_t shorter) {
  require(shorter > 0, "[resize_shorter] the shorter side must be at least 1, got {}", shorter);
  const bool upright = size.height > size.width;
  const auto longer = upright ? shorter * size.height / size.width : shorter * size.width / size.height;
  return upright ? ImageSize{longer, shorter} : ImageSize{shorter, longer};
}

PixelBox center_box(ImageSize size, int64_t height, int64_t width) {
  const auto start = [](int64_t whole, int64_t part) {
    if (part > whole) return -((part - whole) / 2);
    return static_cast<int64_t>(std::nearbyint(static_cast<double>(whole - part) / 2));  // halves to even
  };
  return {start(size.width, width), start(size.height, height), width, height};
}

Tensor crop(const Tensor& image, const PixelBox& box, uint8_t fill) {
  const auto picture = checked_picture("crop", image);
  require(box.width > 0 && box.height > 0, "[crop] the box must be at least 1 x 1, got {} x {}", box.height, box.width);
  const auto [height, width] = size_of(picture);
  const auto left = std::clamp(box.left, int64_t{0}, width), top = std::clamp(box.top, int64_t{0}, height);
  const auto right = std::clamp(box.left + box.width, left, width);
  const auto bottom = std::clamp(box.top + box.height, top, height);
  const auto part = picture.slice(0, top, bottom).slice(1, left, right);
  if (right - left == box.width && bottom - top == box.height) return part.contiguous();
  auto out = torch::full({box.height, box.width, picture.size(2)}, fill, torch::kUInt8);
  if (right > left && bottom > top)
    out.slice(0, top - box.top, bottom - box.top).slice(1, left - box.left, right - box.left).copy_(part);
  return out;
}

Tensor center_crop(const Tensor& image, int64_t height, int64_t width) {
  return crop(image, center_box(size_of(checked_picture("center_crop", image)), height, width));
}

Tensor pad(const Tensor& image, int64_t left, int64_t top, int64_t right, int64_t bottom, uint8_t fill) {
  const auto [height, width] = size_of(checked_picture("pad", image));
  require(left >= 0 && top >= 0 && right >= 0 && bottom >= 0, "[pad] wants at least 0 on each side, got {}, {}, {}, {}",
          left, top, right, bottom);
  return crop(image, {-left, -top, left + width + right, top + height + bottom}, fill);
}

Tensor hflip(const Tensor& image) { return checked_picture("hflip", image).flip(1); }
Tensor vflip(const Tensor& image) { return checked_picture("vflip", image).flip(0); }

AffineMatrix affine_matrix(const Affine& a, ImageSize size) {
  check_affine(a);
  const auto m = turn_and_shear(a);
  const auto [cx, cy] = center_of(a, size);
  const double x0 = a.scale * m[0], x1 = a.scale * m[1], y0 = a.scale * m[2], y1 = a.scale * m[3];
  return {x0, x1, cx + a.translate_x - x0 * cx - x1 * cy, y0, y1, cy + a.translate_y - y0 * cx - y1 * cy};
}

AffineMatrix inverse_affine_matrix(const Affine& a, ImageSize size) {
  check_affine(a);
  const auto m = turn_and_shear(a);
  const auto [cx, cy] = center_of(a, size);
  const double x0 = m[3] / a.scale, x1 = -m[1] / a.scale, y0 = -m[2] / a.scale, y1 = m[0] / a.scale;
  const double tx = cx + a.translate_x, ty = cy + a.translate_y;
  return {x0, x1, cx - x0 * tx - x1 * ty, y0, y1, cy - y0 * tx - y1 * ty};
}

Tensor affine(const Tensor& image, const Affine& a, Interpolation kind, uint8_t fill) {
  const auto picture = checked_picture("affine", image);
  require(kind != Interpolation::bicubic, "[affine] is nearest or bilinear");
  const auto back = inverse_affine_matrix(a, size_of(picture));
  auto out = torch::full_like(picture, fill);
  if (kind == Interpolation::nearest)
    warp_nearest(picture, back, out);
  else
    warp_bilinear(picture, back, fill, out);
  return out;
}

}  // namespace hadal
