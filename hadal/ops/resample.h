// A sound at another rate, without frequencies that the new rate does not hold: a windowed sinc, by the formula of
// torchaudio's resample (sinc_interp_hann).
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

struct ResampleQuality {
  int64_t zeros = 6;      // of the sinc on each side (lowpass_filter_width)
  double rolloff = 0.99;  // the cut, as a share of half the lower rate
};

/// Piece by piece: what is kept is a filter's width of samples, however long the sound. All pieces together give what
/// resample() gives, to the last bit.
class Resampler {
 public:
  /// Throws UsageError for a rate below 1, and a quality that is none.
  Resampler(int64_t from, int64_t to, const ResampleQuality& quality = {});
  /// samples (channels, n) float32 -> (channels, m): what can be told of the sound so far; m may be 0. Throws Error
  /// where the channels are others than before.
  Tensor push(const Tensor& samples);
  /// The rest, after which nothing may be pushed.
  Tensor finish();

 private:
  double weight(int64_t phase, int64_t tap) const;
  Tensor made_until(int64_t end);

  int64_t from_, to_, width_, zeros_;  // rates without common divisor; taps on each side
  double base_;
  std::vector<double> table_;                // (to, taps), where that is small
  Tensor kept_;                              // (channels, n)
  int64_t first_ = 0, seen_ = 0, made_ = 0;  // the place of kept_'s first sample; samples taken and given
};

/// samples (T) or (channels, T) float32 at `from` a second -> ceil(T to / from) of them at `to`.
Tensor resample(const Tensor& samples, int64_t from, int64_t to, const ResampleQuality& quality = {});
/// How many that are.
int64_t resampled_length(int64_t length, int64_t from, int64_t to);

}  // namespace hadal
