// The log-mel spectrogram: sound as a series of many channels.
#pragma once
#include "hadal/core/config.h"
#include "hadal/core/torch.h"

namespace hadal {

struct MelConfig {
  int64_t rate = 8000, window = 256, hop = 80, bands = 40;
  double low = 0, high = 0, floor = 1e-6;

  static Fields<MelConfig> fields();
  void validate() const;
};

/// Triangles on Slaney's mel scale, each of area 1 (librosa's default filters): (bands, window / 2 + 1) float32.
Tensor mel_filters(const MelConfig& config);

/// samples (T) -> (bands, 1 + T / hop) float32: log(floor + energy) in each band, of Hann windows centred at multiples
/// of `hop` over the sound reflected at its ends (padded with zeros where it is too short for that).
Tensor log_mel(const Tensor& samples, const MelConfig& config);

}  // namespace hadal
