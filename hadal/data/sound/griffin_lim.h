// A sound for a spectrogram without phases: those that overlapping windows agree on, found step by step (Griffin & Lim
// 1984), with momentum (Perraudin et al. 2013, doi:10.1109/WASPAA.2013.6701851).
#pragma once
#include "hadal/data/sound/mel.h"

namespace hadal {

struct GriffinLim {
  int64_t iterations = 32;
  double momentum = 0.99;
  uint64_t seed = 0;
};

/// magnitude (bins, frames) >= 0 -> samples (T), T being `length` or what the frames tell. The first phases are random,
/// by the seed; `phases` (bins, frames), in turns from 0 to 1, replace them.
Tensor griffin_lim(const Tensor& magnitude, const StftShape& shape, const GriffinLim& how = {}, int64_t length = -1,
                   const Tensor& phases = {});

/// The sound of log_mel()'s (bands, frames): magnitudes for the bands first.
Tensor sound_of_log_mel(const Tensor& mel, const MelConfig& config, const GriffinLim& how = {}, int64_t length = -1);

/// Samples (T) brought nearer to a spectrogram, log_mel()'s (bands, 1 + T / hop), that they were made for. A round
/// scales each bin's magnitude by how far its bands are off and takes the sound that the windows agree on, as a step of
/// Griffin & Lim's does, with momentum; magnitudes become the mean of what was wanted and what came. The sound's own
/// phases and fine structure are where it begins, so what a vocoder knows better than the bands stays.
Tensor nearer_to_log_mel(const Tensor& samples, const Tensor& mel, const MelConfig& config, int64_t rounds);

}  // namespace hadal
