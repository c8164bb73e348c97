// What tells made sounds from real ones: nets that each look at every n-th sample (Kong et al. 2020, arXiv:2010.05646),
// and nets that each look at a spectrogram (Jang et al. 2021, arXiv:2106.07889), as Vocos is trained with.
#pragma once
#include "hadal/core/config.h"
#include "hadal/models/generative/gan_losses.h"
#include "hadal/models/model.h"

namespace hadal {

struct VocoderJudgesConfig {
  std::vector<int64_t> periods = {2, 3, 5, 7, 11}, windows = {1024, 2048, 512};
  int64_t period_width = 32, window_width = 64;

  static Fields<VocoderJudgesConfig> fields();
  void validate() const;
  /// For 8,000 samples a second on a CPU.
  static VocoderJudgesConfig small() { return {{2, 3, 5, 7}, {256, 512, 128}, 4, 16}; }
};

/// A convolution whose weight is a direction and a length for each output (Salimans & Kingma 2016, arXiv:1602.07868).
/// Parameters: bias, weight_g, weight_v.
struct WeightNormConv2dImpl : nn::Module {
  WeightNormConv2dImpl(int64_t in, int64_t out, at::IntArrayRef kernel, at::IntArrayRef stride);
  /// Padded so that stride 1 keeps the size.
  Tensor forward(const Tensor& x);

 private:
  std::vector<int64_t> stride_, padding_;
  Tensor bias_, g_, v_;
};
TORCH_MODULE(WeightNormConv2d);

/// What each of several nets said: logits (B, n), and the features on the way there.
struct Judged {
  std::vector<Tensor> logits;
  std::vector<std::vector<Tensor>> features;
};

/// Names are the published code's: multiperioddisc.discriminators.N., multiresddisc.discriminators.N., within each
/// convs.N. and conv_post.
struct VocoderJudgesImpl : Model {
  explicit VocoderJudgesImpl(const VocoderJudgesConfig& config);
  /// sound (B, T). Throws Error where it is shorter than half a window.
  Judged forward(const Tensor& sound);

 private:
  VocoderJudgesConfig config_;
  nn::ModuleList periods_, windows_;
};
TORCH_MODULE(VocoderJudges);

/// The mean over the nets of what each lowers.
Tensor judges_loss(GanLoss kind, const Judged& real, const Judged& made);
Tensor vocoder_loss(GanLoss kind, const Judged& made, const Judged& real);
/// How far the features of made sounds are from those of the real ones, which get no gradient: mean differences, summed
/// over layers, meaned over nets (Larsen et al. 2016, arXiv:1512.09300).
Tensor feature_matching_loss(const Judged& real, const Judged& made);

}  // namespace hadal
