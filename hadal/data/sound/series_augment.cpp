#include "hadal/data/sound/series_augment.h"

#include <algorithm>
#include <cmath>

#include "hadal/data/sound/spec_augment.h"

namespace hadal {
namespace {

/// What was at band b is at factor * b; beyond the last band stands what was there.
Tensor warped(const Tensor& x, double factor) {
  const auto last = x.size(0) - 1;
  const auto from = (torch::arange(x.size(0), torch::kFloat32) / factor).clamp_max(static_cast<double>(last));
  const auto below = from.to(torch::kInt64), above = (below + 1).clamp_max(last);
  return x.index_select(0, below).lerp(x.index_select(0, above), (from - below).unsqueeze(1));
}

/// A line through normal numbers at ends, middles and quarters of the bands: (C, 1).
Tensor curve(int64_t bands, double deviation, Random& random) {
  constexpr int64_t kPoints = 5;
  const auto points = torch::empty({1, 1, kPoints});
  std::for_each_n(points.data_ptr<float>(), kPoints,
                  [&](float& value) { value = static_cast<float>(deviation * random.normal()); });
  return torch::upsample_linear1d(points, bands, /*align_corners=*/true)[0].t();
}

}  // namespace

Fields<SeriesAugment> SeriesAugment::fields() {
  using C = SeriesAugment;
  return {{"shift", &C::shift, "moved from the middle by up to this share of the free room, or of what is cut",
           between(0, 1)},
          {"stretch", &C::stretch, "faster or slower by up to this share", from_below(0, 1)},
          {"warp", &C::warp, "every band higher or lower by up to this share, as of another voice", from_below(0, 1)},
          {"gain", &C::gain, "deviation of a number added to all of a sample", at_least(0)},
          {"filter", &C::filter, "deviation of a curve over the channels that is added, as of another microphone",
           at_least(0)},
          {"noise", &C::noise, "noise of a deviation up to this is added", at_least(0)},
          {"mask_bands", &C::mask_bands, "up to so many neighbouring channels are masked, `masks` times", at_least(0)},
          {"mask_steps", &C::mask_steps, "up to so many neighbouring steps are masked, `masks` times", at_least(0)},
          {"masks", &C::masks, "masks of each kind", at_least(0)},
          {"mask_share", &C::mask_share, "a mask of steps covers at most this share of them", between(0, 1)}};
}

Tensor place_series(const Tensor& features, int64_t length, const SeriesAugment& augment, Random* random) {
  const torch::NoGradGuard no_grad;
  auto x = features;
  if (random && augment.stretch > 0) {
    const auto factor = 1 + random->uniform(-augment.stretch, augment.stretch);
    const auto steps = std::max<int64_t>(1, std::llround(static_cast<double>(x.size(1)) * factor));
    x = torch::upsample_linear1d(x.unsqueeze(0), steps, false)[0];
  }
  if (random && augment.warp > 0) x = warped(x, 1 + random->uniform(-augment.warp, augment.warp));
  auto out = torch::zeros({x.size(0), length});
  const auto room = length - x.size(1);
  const auto free = std::abs(room), still = static_cast<int64_t>((1 - augment.shift) * static_cast<double>(free) / 2);
  const auto place = random && augment.shift > 0 ? random->between(still, free - still) : free / 2;
  const auto begin = room >= 0 ? place : -place;
  const auto kept = std::min(length, x.size(1));
  out.slice(1, std::max<int64_t>(begin, 0), std::max<int64_t>(begin, 0) + kept)
      .copy_(x.slice(1, std::max<int64_t>(-begin, 0), std::max<int64_t>(-begin, 0) + kept));
  if (!random) return out;
  if (augment.gain > 0) out += augment.gain * random->normal();
  if (augment.filter > 0) out += curve(out.size(0), augment.filter, *random);
  if (augment.noise > 0) {
    const auto deviation = random->uniform(0, augment.noise);
    std::for_each_n(out.data_ptr<float>(), out.numel(),
                    [&](float& value) { value += static_cast<float>(deviation * random->normal()); });
  }
  spec_augment(
      out,
      {.bands = augment.mask_bands, .steps = augment.mask_steps, .masks = augment.masks, .share = augment.mask_share},
      *random);
  return out;
}

}  // namespace hadal
