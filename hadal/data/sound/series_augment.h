// A series of many channels, such as a spectrogram, in the length that a model sees: varied for training.
#pragma once
#include "hadal/core/config.h"
#include "hadal/core/random.h"
#include "hadal/core/torch.h"

namespace hadal {

struct SeriesAugment {
  double shift = 0, stretch = 0, warp = 0, gain = 0, filter = 0, noise = 0;
  int64_t mask_bands = 0, mask_steps = 0, masks = 2;
  double mask_share = 1;

  static Fields<SeriesAugment> fields();
};

/// `features` (C, T) placed into (C, length) zeros, in the middle; with `random` varied as `augment` has it: stretched
/// in time, its bands moved as by a longer or shorter vocal tract (Jaitly and Hinton 2013), shifted, filtered as by
/// another microphone (after Nam et al. 2022, "FilterAugment", arXiv:2110.03282), with noise, and with bands and steps
/// masked (Park et al. 2019, "SpecAugment", arXiv:1904.08779). What is too long is cut at both ends.
Tensor place_series(const Tensor& features, int64_t length, const SeriesAugment& augment, Random* random);

}  // namespace hadal
