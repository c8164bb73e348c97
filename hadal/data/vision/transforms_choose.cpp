#include "hadal/data/vision/transforms.h"
#include "hadal/data/vision/transforms_check.h"

namespace hadal {
namespace {

int64_t rounded(double value) { return static_cast<int64_t>(std::nearbyint(value)); }

}  // namespace

PixelBox choose_resized_crop(ImageSize size, double scale_low, double scale_high, double ratio_low, double ratio_high,
                             Random& random) {
  const auto width = static_cast<double>(size.width), height = static_cast<double>(size.height);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = width * height * random.uniform(scale_low, scale_high);
    const double ratio = std::exp(random.uniform(std::log(ratio_low), std::log(ratio_high)));
    const auto w = rounded(std::sqrt(area * ratio)), h = rounded(std::sqrt(area / ratio));
    if (w < 1 || h < 1 || w > size.width || h > size.height) continue;
    const auto top = random.below(size.height - h + 1), left = random.below(size.width - w + 1);
    return {left, top, w, h};
  }
  auto w = size.width, h = size.height;
  if (width / height < ratio_low)
    h = std::max(rounded(width / ratio_low), int64_t{1});
  else if (width / height > ratio_high)
    w = std::max(rounded(height * ratio_high), int64_t{1});
  return {(size.width - w) / 2, (size.height - h) / 2, w, h};
}

Affine choose_affine(ImageSize size, double degrees, double translate, double scale, double shear, Random& random) {
  const auto side = [&](int64_t length) { return translate * static_cast<double>(length); };
  Affine chosen;
  if (degrees > 0) chosen.angle = random.uniform(-degrees, degrees);
  if (translate > 0) {
    chosen.translate_x = std::nearbyint(random.uniform(-side(size.width), side(size.width)));
    chosen.translate_y = std::nearbyint(random.uniform(-side(size.height), side(size.height)));
  }
  if (scale > 0) chosen.scale = random.uniform(1 - scale, 1 + scale);
  if (shear > 0) chosen.shear_x = random.uniform(-shear, shear);
  return chosen;
}

std::optional<PixelBox> choose_erasing(ImageSize size, Random& random) {
  const auto area = static_cast<double>(size.height * size.width);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double share = area * random.uniform(0.02, 0.33);
    const double ratio = std::exp(random.uniform(std::log(0.3), std::log(3.3)));
    const auto h = rounded(std::sqrt(share * ratio)), w = rounded(std::sqrt(share / ratio));
    if (h < 1 || w < 1 || h >= size.height || w >= size.width) continue;
    const auto top = random.below(size.height - h + 1), left = random.below(size.width - w + 1);
    return PixelBox{left, top, w, h};
  }
  return std::nullopt;
}

}  // namespace hadal
