// SpecAugment: bands and steps of a spectrogram that a net must do without (Park et al. 2019, arXiv:1904.08779).
#pragma once
#include "hadal/core/config.h"
#include "hadal/core/random.h"
#include "hadal/core/torch.h"

namespace hadal {

struct SpecAugment {
  int64_t bands = 0, steps = 0;  // up to so many neighbours a mask
  int64_t masks = 2;             // of each kind
  double share = 1;              // a mask of steps covers at most this share of them (p in the paper)
  double value = 0;              // what stands there instead: the mean of a spectrogram that was centred
};

/// features (C, T) with its masks, in place: what is drawn follows from `random`.
void spec_augment(Tensor& features, const SpecAugment& how, Random& random);

}  // namespace hadal
