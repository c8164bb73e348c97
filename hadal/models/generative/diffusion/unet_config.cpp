// The settings of a U-Net: unet.h.
#include "hadal/models/generative/diffusion/unet.h"

namespace hadal {

Fields<UnetConfig> UnetConfig::fields() {
  using C = UnetConfig;
  return {{"channels", &C::channels, "colours of a pixel: 1 grey, 3 RGB; or those of a latent", at_least(1)},
          {"image", &C::image, "side of the square picture in pixels; or its height", at_least(2)},
          {"across", &C::across, "its width; 0: it is square", at_least(0)},
          {"classes", &C::classes, "classes that can be asked for; 0: none", at_least(0)},
          {"widths", &C::widths, "channels at the picture's size, at half of it, ...", at_least(1)},
          {"blocks", &C::blocks, "residual blocks a size on the way down", at_least(1)},
          {"attention", &C::attention, "places in widths with attention behind each block, from 0", at_least(0)},
          {"middle_attention", &C::middle_attention, "attention in the middle, at the smallest size"},
          {"head_dim", &C::head_dim, "width of an attention head; 0: a single head", at_least(0)},
          {"groups", &C::groups, "groups of channels that a norm sees", at_least(1)},
          {"time_dim", &C::time_dim, "width of the embedding of time and class; 0: 4 times the first of widths",
           at_least(0)},
          {"eps", &C::eps, "added to variances", above(0)},
          {"dropout", &C::dropout, "share of a block's features dropped", from_below(0, 1)},
          {"scaled", &C::scaled, "time scales and shifts features behind a norm, instead of being added"},
          {"resample", &C::resample, "how sizes change: conv, or means and copies of pixels alone (pool)",
           one_of({"conv", "pool"})},
          {"skips", &C::skips,
           "what the way up sees of the way down: all features, by a block more a size; or the last of each size",
           one_of({"all", "last"})},
          {"middle", &C::middle, "residual blocks in the middle", between(1, 2)},
          {"last_norm", &C::last_norm, "norm and SiLU before the last convolution"},
          {"down_padding", &C::down_padding, "conv: pixels added around before halving; 0: one right and below",
           between(0, 1)},
          {"cosines_first", &C::cosines_first, "order of the time's waves"},
          {"frequency_shift", &C::frequency_shift, "1: the slowest wave is 10000 long exactly", between(0, 1)}};
}

void UnetConfig::validate() const {
  require(!widths.empty(), "[unet] widths must name at least one; example: widths=[32, 64, 64]");
  require(widths.front() >= 4, "[unet] widths must begin with at least 4, got {}", widths.front());
  for (const auto width : widths)
    require(width % groups == 0, "[unet] widths ({}) must be divisible by groups ({}); nearest: {}", width, groups,
            nearest_multiple(width, groups));
  require(widths.size() <= 16, "[unet] widths has {} sizes; a picture is halved at most 15 times", widths.size());
  const auto step = int64_t{1} << (widths.size() - 1);
  require(image % step == 0, "[unet] image ({}) must be divisible by {}, as it is halved {} times; nearest: {}", image,
          step, widths.size() - 1, nearest_multiple(image, step));
  require(across % step == 0, "[unet] across ({}) must be divisible by {} as image is; nearest: {}", across, step,
          nearest_multiple(across, step));
  auto places = attention;
  if (middle_attention) places.push_back(static_cast<int64_t>(widths.size()) - 1);
  for (const auto place : places) {
    require(place < static_cast<int64_t>(widths.size()), "[unet] attention names place {}; widths has 0 to {}", place,
            widths.size() - 1);
    if (const auto width = widths[place]; head_dim > 0 && width % head_dim != 0)
      fail_usage("[unet] widths ({}) with attention must be divisible by head_dim ({}); nearest: {}", width, head_dim,
                 nearest_multiple(width, head_dim));
  }
}

}  // namespace hadal
