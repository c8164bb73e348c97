// Mel-frequency cepstral coefficients: the shape of a spectrum in a dozen numbers (Davis & Mermelstein 1980).
#pragma once
#include "hadal/data/sound/mel.h"

namespace hadal {

struct MfccConfig {
  MelConfig mel;
  int64_t coefficients = 20;
  double lifter = 0, range = 80;

  static Fields<MfccConfig> fields();
  void validate() const;
};

/// samples (..., T) -> (..., coefficients, frames), as librosa and torchaudio have it: the cosine transform (II,
/// orthonormal) over the bands' decibels, which begin `range` below the loudest of the sound. Differentiable.
Tensor mfcc(const Tensor& samples, const MfccConfig& config);

}  // namespace hadal
