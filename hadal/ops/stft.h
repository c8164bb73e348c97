// The short-time Fourier transform and its inverse: a signal as the spectra of overlapping windows. Differentiable, in
// float32 and float64.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

struct StftShape {
  enum class Taper { hann, none };
  enum class Ends {
    reflect,  // windows centred at multiples of hop, over the signal mirrored at its ends (torch's, librosa's of old)
    zeros,    // the same between zeros (librosa's)
    same,     // as many windows as hops, over the signal mirrored by (window - hop) / 2 (Vocos' "same")
    cut       // windows that lie within the signal alone
  };
  int64_t window = 1024, hop = 256;
  int64_t fft = 0;  // points of the transform, the window in their middle; 0: as many as the window has
  Ends ends = Ends::reflect;
  Taper taper = Taper::hann;

  int64_t points() const { return fft > 0 ? fft : window; }
  int64_t bins() const { return points() / 2 + 1; }
  /// What is added at each end of the signal, and taken away by the inverse.
  int64_t margin() const;
  /// Throws UsageError, `where` being whose setting it is, for a shape that is none.
  void check(const char* where) const;
};

/// (points) of `like`'s type and device: the periodic window, in the middle of zeros where there are more points.
Tensor stft_window(const StftShape& shape, const Tensor& like);

/// signal (..., T) -> (..., bins, frames) complex; frames is 1 + T / hop where windows are centred. A signal too short
/// to be mirrored is put between zeros. Throws Error where not one window fits, and for types other than float32 and
/// float64.
Tensor stft(const Tensor& signal, const StftShape& shape);

/// The inverse: windows weighted once more, summed, and divided by the sum of their squares. spectrum (..., bins,
/// frames) complex -> (..., T), T being `length`, or what the frames tell where it is negative. Of a signal's own
/// spectrum it is that signal. Throws Error where no window tells of a sample: a hop beyond the window.
Tensor istft(const Tensor& spectrum, const StftShape& shape, int64_t length = -1);

/// |stft|, safe to differentiate where it is 0: (|.|^2 + floor)^(1/2).
Tensor stft_magnitude(const Tensor& signal, const StftShape& shape, double floor = 0);

}  // namespace hadal
