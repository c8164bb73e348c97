// Vocos: a spectrogram's bands become the spectra of short windows, which the inverse transform makes a sound (Siuzdak
// 2023, arXiv:2306.00814).
#pragma once
#include "hadal/core/catalog.h"
#include "hadal/models/model.h"
#include "hadal/nn/linear.h"
#include "hadal/nn/norm.h"
#include "hadal/ops/stft.h"

namespace hadal {

struct VocosConfig {
  int64_t bands = 100, dim = 512, mlp = 1536, depth = 8, window = 1024, hop = 256;
  std::string ends = "center";
  double scale = 0;
  bool skip = false;

  static Fields<VocosConfig> fields();
  void validate() const;
  StftShape stft() const;
};

/// A block of ConvNeXt over time. Modules: dwconv, norm, pwconv1, pwconv2; parameter: gamma.
struct ConvNextImpl : nn::Module {
  ConvNextImpl(int64_t dim, int64_t mlp, double scale);
  /// (B, dim, T) -> the same
  Tensor forward(const Tensor& x);

 private:
  nn::Conv1d dwconv_;
  Norm norm_;
  Linear pwconv1_, pwconv2_;
  Tensor gamma_;
};
TORCH_MODULE(ConvNext);

/// Modules: embed, norm, convnext, final_layer_norm.
struct VocosBackboneImpl : nn::Module {
  explicit VocosBackboneImpl(const VocosConfig& config);
  /// (B, bands, T) -> (B, T, dim)
  Tensor forward(const Tensor& mel);

 private:
  nn::Conv1d embed_;
  Norm norm_;
  nn::ModuleList convnext_;
  Norm final_layer_norm_;
};
TORCH_MODULE(VocosBackbone);

/// Names are the published code's: backbone., head.out; and head.skip, which Hadal adds where config.skip says so.
struct VocosImpl : Model {
  explicit VocosImpl(const VocosConfig& config);
  /// mel (B, bands, frames), log of the bands' magnitudes -> samples (B, T): T is frames * hop with ends "same", a hop
  /// less with "center".
  Tensor forward(const Tensor& mel);
  /// The spectra that the samples are made of, (B, bins, frames) complex.
  Tensor spectrum(const Tensor& mel);
  const VocosConfig& config() const { return config_; }
  /// Published checkpoints hold the spectrogram's filters, the window and the discriminators as well.
  TensorsByName own_names(const TensorsByName& weights) const override;

 private:
  VocosConfig config_;
  VocosBackbone backbone_;
  Linear out_, skip_{nullptr};
};
TORCH_MODULE(Vocos);

using VocoderCatalog = Catalog<std::shared_ptr<VocosImpl>>;
const VocoderCatalog& vocoders();

}  // namespace hadal
