#include "hadal/data/vision/randaugment.h"

#include <cmath>
#include <functional>
#include <numbers>

#include "hadal/core/error.h"

namespace hadal {
namespace {

constexpr int64_t kBins = 31;

struct Operation {
  std::string name;
  bool has_sign;
  std::function<double(double share, ImageSize)> magnitude;  // share: 0 weakest, 1 strongest
  std::function<Tensor(const Tensor&, double magnitude)> apply;
};

double degrees_of_slope(double slope) { return std::atan(slope) * 180 / std::numbers::pi; }

const std::vector<Operation>& kinds() {
  const auto up_to = [](double most) { return [most](double share, ImageSize) { return most * share; }; };
  const auto none = [](double, ImageSize) { return 0.0; };
  const auto one_plus = [](Tensor (*op)(const Tensor&, double)) {
    return [op](const Tensor& x, double m) { return op(x, 1 + m); };
  };
  static const std::vector<Operation> list = {
      {"Identity", false, none, [](const Tensor& x, double) { return x; }},
      {"ShearX", true, up_to(0.3),
       [](const Tensor& x, double m) {
         return affine(x, {.shear_x = degrees_of_slope(m), .center = std::array{0.0, 0.0}});
       }},
      {"ShearY", true, up_to(0.3),
       [](const Tensor& x, double m) {
         return affine(x, {.shear_y = degrees_of_slope(m), .center = std::array{0.0, 0.0}});
       }},
      {"TranslateX", true,
       [](double share, ImageSize size) { return 150.0 / 331 * static_cast<double>(size.width) * share; },
       [](const Tensor& x, double m) { return affine(x, {.translate_x = std::trunc(m)}); }},
      {"TranslateY", true,
       [](double share, ImageSize size) { return 150.0 / 331 * static_cast<double>(size.height) * share; },
       [](const Tensor& x, double m) { return affine(x, {.translate_y = std::trunc(m)}); }},
      // torchvision's rotate turns anticlockwise, its affine clockwise.
      {"Rotate", true, up_to(30), [](const Tensor& x, double m) { return affine(x, {.angle = -m}); }},
      {"Brightness", true, up_to(0.9), one_plus(adjust_brightness)},
      {"Color", true, up_to(0.9), one_plus(adjust_saturation)},
      {"Contrast", true, up_to(0.9), one_plus(adjust_contrast)},
      {"Sharpness", true, up_to(0.9), one_plus(adjust_sharpness)},
      {"Posterize", false, [](double share, ImageSize) { return 8 - std::nearbyint(4 * share); },
       [](const Tensor& x, double m) { return posterize(x, static_cast<int64_t>(m)); }},
      {"Solarize", false, [](double share, ImageSize) { return 255 * (1 - share); },
       [](const Tensor& x, double m) { return solarize(x, m); }},
      {"AutoContrast", false, none, [](const Tensor& x, double) { return autocontrast(x); }},
      {"Equalize", false, none, [](const Tensor& x, double) { return equalize(x); }},
  };
  return list;
}

const Operation& kind_of(const std::string& name) {
  for (const auto& kind : kinds())
    if (kind.name == name) return kind;
  fail_usage("[randaugment] unknown operation \"{}\"{}", name, suggest(name, randaugment_names()));
}

double magnitude_of(const Operation& kind, int64_t bin, ImageSize size) {
  require(bin >= 0 && bin < kBins, "[randaugment] the magnitude lies from 0 to {}, got {}", kBins - 1, bin);
  return kind.magnitude(static_cast<double>(bin) / (kBins - 1), size);
}

}  // namespace

const std::vector<std::string>& randaugment_names() {
  static const auto names = [] {
    std::vector<std::string> made;
    for (const auto& kind : kinds()) made.push_back(kind.name);
    return made;
  }();
  return names;
}

double randaugment_magnitude(const std::string& name, int64_t bin, ImageSize size) {
  return magnitude_of(kind_of(name), bin, size);
}

Tensor apply_randaugment(const Tensor& image, const RandAugmentOp& op) {
  return kind_of(op.name).apply(image, op.magnitude);
}

std::vector<RandAugmentOp> choose_randaugment(int64_t count, int64_t bin, ImageSize size, Random& random) {
  std::vector<RandAugmentOp> chosen;
  for (int64_t i = 0; i < count; ++i) {
    const auto& kind = kinds()[random.below(std::ssize(kinds()))];
    const auto magnitude = magnitude_of(kind, bin, size);
    chosen.push_back({kind.name, kind.has_sign && random.chance(0.5) ? -magnitude : magnitude});
  }
  return chosen;
}

Tensor randaugment(Tensor image, int64_t count, int64_t bin, Random& random) {
  for (const auto& op : choose_randaugment(count, bin, size_of(image), random)) image = apply_randaugment(image, op);
  return image;
}

}  // namespace hadal
