// DiffWave: the noise in a sound, told by dilated convolutions that know how much there is (Kong et al. 2020,
// arXiv:2009.09761); by a spectrogram, by a class, by both or by neither.
#pragma once
#include "hadal/core/catalog.h"
#include "hadal/models/model.h"
#include "hadal/nn/embedding.h"
#include "hadal/nn/linear.h"

namespace hadal {

struct DiffWaveConfig {
  int64_t bands = 80, classes = 0, width = 64, depth = 30, cycle = 10;
  std::vector<int64_t> up = {16, 16};

  static Fields<DiffWaveConfig> fields();
  void validate() const;
  /// Samples a frame of the spectrogram.
  int64_t hop() const;
};

/// Names are those of lmnt-com/diffwave: input_projection, diffusion_embedding.projection1 and 2,
/// spectrogram_upsampler.conv1, 2, ..., residual_layers.N., skip_projection, output_projection; and class_embedding
/// (classes + 1, 512), whose last row stands for no class.
struct DiffWaveImpl : Model {
  explicit DiffWaveImpl(const DiffWaveConfig& config);
  /// sound (B, T); steps (B), int64 or, between two steps, floating; mel (B, bands, frames) of at least T / hop frames,
  /// undefined where there are no bands; labels (B) int64 in [0, classes], undefined where there are no classes -> (B,
  /// T).
  Tensor forward(const Tensor& sound, const Tensor& steps, const Tensor& mel = {}, const Tensor& labels = {});
  const DiffWaveConfig& config() const { return config_; }

 private:
  Tensor upsampled(const Tensor& mel, int64_t samples);

  DiffWaveConfig config_;
  nn::Conv1d input_projection_{nullptr}, skip_projection_{nullptr}, output_projection_{nullptr};
  Linear projection1_, projection2_;
  Embedding class_embedding_{nullptr};
  std::vector<nn::ConvTranspose2d> upsamplers_;
  nn::ModuleList residual_layers_;
};
TORCH_MODULE(DiffWave);

using WaveDiffuserCatalog = Catalog<std::shared_ptr<DiffWaveImpl>>;
const WaveDiffuserCatalog& wave_diffusers();

}  // namespace hadal
