// How far a made recording is from the real one, by what is heard of both. A number means something only beside another
// of the same rate and spectrogram.
#pragma once
#include "hadal/data/sound/mel.h"
#include "hadal/metrics/metrics.h"

namespace hadal {

/// Spectral convergence and the difference of log magnitudes, summed, over stft_resolutions(rate), in float64
/// (Yamamoto et al. 2020, arXiv:1910.11480). Samples (T); where one recording has up to a tenth more, as frames cut
/// sounds, what both have is compared. Throws Error for more than that, and without samples.
double stft_distance(const Tensor& made, const Tensor& real, int64_t rate);

/// The mean difference of their log_mel(), in decibels.
double mel_distance(const Tensor& made, const Tensor& real, const MelConfig& mel);

/// Both, meaned over pairs of recordings.
class SoundDistance {
 public:
  explicit SoundDistance(MelConfig mel) : mel_(std::move(mel)) {}
  /// Samples (T) at the spectrogram's rate.
  void add(const Tensor& made, const Tensor& real);
  /// "stft_distance", "mel_distance". Empty before the first pair.
  Metrics metrics() const;

 private:
  MelConfig mel_;
  double stft_ = 0, mels_ = 0;
  int64_t count_ = 0;
};

}  // namespace hadal
