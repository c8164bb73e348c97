// Mel filters: the bins of a spectrum gathered into bands as wide as the ear takes them.
#pragma once
#include "hadal/ops/stft.h"

namespace hadal {

struct MelBands {
  enum class Scale {
    slaney,  // Auditory Toolbox, 1998: linear up to 1 kHz, logarithmic above (librosa's)
    htk      // 2595 log10(1 + f / 700) (torchaudio's)
  };
  int64_t rate = 8000, bands = 40;
  double low = 0, high = 0;  // Hz; high 0: half the rate
  Scale scale = Scale::slaney;
  bool even = true;  // triangles of area 1 over Hz ("slaney"); false: of height 1

  double top() const { return high > 0 ? high : static_cast<double>(rate) / 2; }
};

/// Triangles over the bins of a transform of `points`: (bands, points / 2 + 1) float32, computed in doubles. Throws
/// UsageError for frequencies that the rate does not hold.
Tensor mel_filters(const MelBands& bands, int64_t points);

/// signal (..., T) -> (..., bands, frames): the bands of |stft|^power, power being 1 or 2. Differentiable.
Tensor mel_spectrogram(const Tensor& signal, const StftShape& shape, const MelBands& bands, int64_t power = 2);

/// The magnitudes (..., bins, frames) >= 0 whose bands come nearest to `mel` (..., bands, frames), the bands of
/// magnitudes to `power`: least squares by multiplicative updates (Lee & Seung 2001), so nothing becomes negative.
Tensor mel_to_magnitude(const Tensor& mel, const MelBands& bands, int64_t points, int64_t power = 2,
                        int64_t iterations = 100);

}  // namespace hadal
