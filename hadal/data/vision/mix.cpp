#include "hadal/data/vision/mix.h"

#include <cmath>

#include <fmt/ranges.h>

#include "hadal/core/error.h"

namespace hadal {

Tensor mixup(const Tensor& pixels, const Tensor& order, double share) {
  return pixels.index_select(0, order).mul_(1 - share).add_(pixels, share);
}

PixelBox choose_cutmix(ImageSize size, double share, Random& random) {
  const auto side = 0.5 * std::sqrt(1 - share);
  const auto half_x = static_cast<int64_t>(side * static_cast<double>(size.width));
  const auto half_y = static_cast<int64_t>(side * static_cast<double>(size.height));
  const auto x = random.below(size.width), y = random.below(size.height);
  const auto left = std::max(x - half_x, int64_t{0}), right = std::min(x + half_x, size.width);
  const auto top = std::max(y - half_y, int64_t{0}), bottom = std::min(y + half_y, size.height);
  return {left, top, right - left, bottom - top};
}

Tensor cutmix(const Tensor& pixels, const Tensor& order, const PixelBox& box) {
  auto out = pixels.clone();
  const auto inside = [&](const Tensor& t) {
    return t.slice(2, box.top, box.top + box.height).slice(3, box.left, box.left + box.width);
  };
  inside(out).copy_(inside(pixels).index_select(0, order));
  return out;
}

void mix_batch(const AugmentConfig& config, Tensor& pixels, const Tensor& labels, Tensor& targets, int64_t classes,
               Random& random) {
  targets = Tensor();
  if (config.mixup <= 0 && config.cutmix <= 0) return;
  require(pixels.dim() == 4 && labels.dim() == 1 && pixels.size(0) == labels.size(0),
          "[mix_batch] wants pixels (B, C, H, W) and labels (B), got [{}] and [{}]", fmt::join(pixels.sizes(), ", "),
          fmt::join(labels.sizes(), ", "));
  if (pixels.size(0) == 0 || !random.chance(config.mix_probability)) return;
  const bool cuts = config.cutmix > 0 && (config.mixup <= 0 || random.chance(0.5));
  const auto order = torch::tensor(permutation(pixels.size(0), random), torch::kInt64).to(pixels.device());
  const double alpha = cuts ? config.cutmix : config.mixup;
  double share = random.beta(alpha, alpha);
  if (cuts) {
    const ImageSize size{pixels.size(2), pixels.size(3)};
    const auto box = choose_cutmix(size, share, random);
    share = 1 - static_cast<double>(box.width * box.height) / static_cast<double>(size.width * size.height);
    pixels = cutmix(pixels, order, box);
  } else {
    pixels = mixup(pixels, order, share);
  }
  const auto truth = torch::one_hot(labels, classes).to(torch::kFloat32);
  targets = mixup(truth, order.to(labels.device()), share);
}

}  // namespace hadal
