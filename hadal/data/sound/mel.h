// The log-mel spectrogram: sound as a series of many channels.
#pragma once
#include "hadal/core/config.h"
#include "hadal/ops/mel.h"

namespace hadal {

struct MelConfig {
  int64_t rate = 8000, window = 256, hop = 80, bands = 40;
  double low = 0, high = 0, floor = 1e-6;
  std::string scale = "slaney", norm = "slaney";
  int64_t power = 2;

  static Fields<MelConfig> fields();
  void validate() const;
  StftShape stft() const { return {.window = window, .hop = hop}; }
  MelBands shape() const;
};

/// (bands, window / 2 + 1) float32; by default librosa's filters.
Tensor mel_filters(const MelConfig& config);

/// samples (..., T) -> (..., bands, 1 + T / hop): log(floor + what is in each band) of Hann windows centred at
/// multiples of `hop` over the sound reflected at its ends (between zeros where it is too short for that).
/// Differentiable.
Tensor log_mel(const Tensor& samples, const MelConfig& config);

/// log_mel() of a sound that comes piece by piece; a window of samples is kept, and the spectrogram.
class LogMelStream {
 public:
  explicit LogMelStream(const MelConfig& config);
  /// samples (n) float32
  void push(const Tensor& samples);
  /// (bands, 1 + T / hop) of all samples. Throws Error where there was none.
  Tensor finish();

 private:
  void take_frames();

  MelConfig config_;
  StftShape inside_;    // of windows within what is kept
  Tensor kept_, last_;  // from the next window on; the last half window and one
  int64_t skip_ = 0;    // samples that lie between two windows, where hops are longer
  bool begun_ = false;  // whether the mirrored beginning stands before kept_
  std::vector<Tensor> out_;
};

}  // namespace hadal
