// The U-Net that diffusion began with (Ho et al. 2020, arXiv:2006.11239): residual blocks down to small feature maps
// and up again, with what was seen on the way down beside it, attention at small sizes, time and class in every block.
#pragma once
#include "hadal/models/generative/diffusion/denoiser.h"
#include "hadal/models/generative/diffusion/unet_blocks.h"
#include "hadal/nn/embedding.h"

namespace hadal {

struct UnetConfig {
  int64_t channels = 1, image = 28, across = 0, classes = 0;
  std::vector<int64_t> widths = {32, 64, 64};
  int64_t blocks = 1;
  std::vector<int64_t> attention = {};
  bool middle_attention = true;
  int64_t head_dim = 32, groups = 8, time_dim = 0;
  double eps = 1e-5, dropout = 0;
  bool scaled = false;
  std::string resample = "conv", skips = "all";
  int64_t middle = 2;
  bool last_norm = true;
  int64_t down_padding = 1;
  bool cosines_first = true;
  int64_t frequency_shift = 0;

  static Fields<UnetConfig> fields();
  void validate() const;
  PictureShape picture() const { return {channels, image, across > 0 ? across : image}; }
  int64_t embedding() const { return time_dim > 0 ? time_dim : 4 * widths.front(); }
};

/// Parameter names are those of diffusers' UNet2DModel, so that its weights load as they are; class_embedding.weight
/// has one row more than there are classes, for none.
struct UnetImpl : Denoiser {
  explicit UnetImpl(const UnetConfig& config);
  Tensor forward(const Tensor& x, const Tensor& time, const Tensor& labels = {}) override;
  /// The same with an embedding (N, embedding()) instead of time and class.
  Tensor forward_embedded(const Tensor& x, const Tensor& embedding);
  PictureShape pictures() const override { return config_.picture(); }
  int64_t classes() const override { return config_.classes; }
  TensorsByName own_names(const TensorsByName& weights) const override;

 private:
  using InOut = std::pair<int64_t, int64_t>;  // channels of a block
  /// The first `looks` blocks have attention behind them.
  UnetLevel level(const std::vector<InOut>& blocks, size_t looks) const;
  size_t looks(int64_t place, size_t blocks) const;
  std::vector<int64_t> add_down();  // channels of what it leaves for the way up
  void add_up(std::vector<int64_t> seen);
  int64_t levels() const { return static_cast<int64_t>(config_.widths.size()); }

  UnetConfig config_;
  TimeWaves waves_;
  TimeMlp time_embedding_{nullptr};
  Embedding class_embedding_{nullptr};
  nn::Conv2d conv_in_{nullptr}, conv_out_{nullptr};
  nn::GroupNorm conv_norm_out_{nullptr};
  std::vector<UnetLevel> down_, up_;
  UnetLevel middle_{nullptr};
};
TORCH_MODULE(Unet);

void register_unet(DenoiserCatalog& catalog);

}  // namespace hadal
