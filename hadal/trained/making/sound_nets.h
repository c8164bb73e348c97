// Networks that see noise in sounds, however a sound is laid out: as a picture of its log-mel spectrogram, which is
// what nets of pictures take, or sample by sample.
#pragma once
#include "hadal/models/audio/diffwave.h"
#include "hadal/models/generative/diffusion/denoiser.h"

namespace hadal {

/// A sound as a picture of one line, (N, 1, 1, T). The net is child `wave`.
struct WaveDenoiser : Denoiser {
  WaveDenoiser(std::shared_ptr<DiffWaveImpl> net, int64_t samples);
  Tensor forward(const Tensor& x, const Tensor& time, const Tensor& labels = {}) override;
  PictureShape pictures() const override { return {1, 1, samples}; }
  int64_t classes() const override { return wave->config().classes; }

  std::shared_ptr<DiffWaveImpl> wave;
  int64_t samples;
};

/// Both kinds for a field `model`.
PartKinds sound_nets();
/// Whether the net of this name makes samples rather than spectrograms.
bool makes_waves(const std::string& name);

/// The net for spectrograms of `bands` and `frames`, or for `samples`; `model` gets all its settings, and `classes`
/// where none are given. Throws UsageError for settings that do not fit.
std::shared_ptr<Denoiser> make_sound_net(Part& model, int64_t bands, int64_t frames, int64_t samples);

}  // namespace hadal
