#include "hadal/models/generative/diffusion/unet.h"

#include <algorithm>
#include <array>

#include "hadal/core/shape.h"

namespace hadal {
namespace {

nn::Conv2d conv(int64_t in, int64_t out) { return nn::Conv2d(nn::Conv2dOptions(in, out, 3).padding(1)); }

/// On the CPU convolutions and norms are fastest with channels innermost.
Tensor laid_out(const Tensor& x) { return x.is_cpu() ? x.contiguous(at::MemoryFormat::ChannelsLast) : x; }

Tensor through(UnetLevelImpl& level, size_t block, const Tensor& x, const Tensor& active) {
  const auto h = level.resnets[block](x, active);
  return level.attentions.empty() ? h : level.attentions[block](h);
}

}  // namespace

UnetLevel UnetImpl::level(const std::vector<InOut>& blocks, size_t looks) const {
  std::vector<UnetResidual> resnets;
  std::vector<UnetAttention> attentions;
  for (const auto& [in, out] : blocks) {
    resnets.emplace_back(
        UnetBlockShape{in, out, config_.embedding(), config_.groups, config_.eps, config_.dropout, config_.scaled});
    if (attentions.size() < looks) attentions.emplace_back(out, config_.head_dim, config_.groups, config_.eps);
  }
  return UnetLevel(std::move(resnets), std::move(attentions));
}

size_t UnetImpl::looks(int64_t place, size_t blocks) const {
  return std::find(config_.attention.begin(), config_.attention.end(), place) == config_.attention.end() ? 0 : blocks;
}

UnetImpl::UnetImpl(const UnetConfig& config) : config_(config) {
  validate_config(config, "unet");
  const auto first = config.widths.front(), last = config.widths.back();
  waves_ = {first, config.cosines_first, static_cast<double>(config.frequency_shift)};
  conv_in_ = register_module("conv_in", conv(config.channels, first));
  time_embedding_ = register_module("time_embedding", TimeMlp(first, config.embedding()));
  if (config.classes > 0)
    class_embedding_ = register_module("class_embedding", Embedding(config.classes + 1, config.embedding()));
  add_up(add_down());
  middle_ =
      register_module("mid_block", level(std::vector<InOut>(config.middle, {last, last}), config.middle_attention));
  if (config.last_norm)
    conv_norm_out_ =
        register_module("conv_norm_out", nn::GroupNorm(nn::GroupNormOptions(config.groups, first).eps(config.eps)));
  conv_out_ = register_module("conv_out", conv(first, config.channels));
}

std::vector<int64_t> UnetImpl::add_down() {
  auto width = config_.widths.front();
  std::vector<int64_t> seen = {width};
  for (int64_t i = 0; i < levels(); ++i) {
    std::vector<InOut> blocks;
    for (int64_t j = 0; j < config_.blocks; ++j) {
      blocks.emplace_back(width, config_.widths[i]);
      seen.push_back(width = config_.widths[i]);
    }
    auto& made = down_.emplace_back(level(blocks, looks(i, blocks.size())));
    if (i + 1 == levels()) break;
    seen.push_back(width);
    if (config_.resample == "conv") made->add_resample("downsamplers", UnetResample(width, true, config_.down_padding));
  }
  register_list(*this, "down_blocks", down_);
  return seen;
}

void UnetImpl::add_up(std::vector<int64_t> seen) {
  auto width = config_.widths.back();
  for (auto i = levels() - 1; i >= 0; --i) {
    std::vector<InOut> blocks;
    if (config_.skips == "all") {
      for (int64_t j = 0; j <= config_.blocks; ++j) {
        blocks.emplace_back(width + seen.back(), config_.widths[i]);
        width = config_.widths[i];
        seen.pop_back();
      }
    } else {
      const auto out = config_.widths[std::max<int64_t>(i - 1, 0)];
      for (int64_t j = 0; j < config_.blocks; ++j) {
        blocks.emplace_back(j == 0 ? width + config_.widths[i] : width, out);
        width = out;
      }
    }
    auto& made = up_.emplace_back(level(blocks, looks(i, blocks.size())));
    if (i > 0 && config_.resample == "conv") made->add_resample("upsamplers", UnetResample(width, false));
  }
  register_list(*this, "up_blocks", up_);
}

Tensor UnetImpl::forward(const Tensor& x, const Tensor& time, const Tensor& labels) {
  const auto rows = checked("unet", x, time, labels);
  auto embedding = time_embedding_(waves_(time).to(x.scalar_type()));
  if (rows.defined()) embedding = embedding + class_embedding_(rows);
  return forward_embedded(x, embedding);
}

Tensor UnetImpl::forward_embedded(const Tensor& x, const Tensor& embedding) {
  const auto shape = pictures();
  expect_shape("unet", x, {kAny, shape.channels, shape.height, shape.width});
  expect_shape("unet embedding", embedding, {x.size(0), config_.embedding()});
  const auto active = torch::silu(embedding);  // every block begins with it
  const bool all = config_.skips == "all";
  auto h = laid_out(conv_in_(laid_out(x)));
  std::vector<Tensor> seen;
  if (all) seen.push_back(h);
  for (size_t i = 0; i < down_.size(); ++i) {
    auto& level = *down_[i];
    for (size_t j = 0; j < level.resnets.size(); ++j) {
      h = through(level, j, h, active);
      if (all || j + 1 == level.resnets.size()) seen.push_back(h);
    }
    if (i + 1 == down_.size()) break;
    h = level.resample ? level.resample(h) : torch::avg_pool2d(h, 2);
    if (all) seen.push_back(h);
  }
  h = middle_->resnets[0](h, active);
  if (!middle_->attentions.empty()) h = middle_->attentions[0](h);
  if (middle_->resnets.size() > 1) h = middle_->resnets[1](h, active);
  for (size_t i = 0; i < up_.size(); ++i) {
    auto& level = *up_[i];
    for (size_t j = 0; j < level.resnets.size(); ++j) {
      if (all || j == 0) {
        h = torch::cat({h, seen.back()}, 1);
        seen.pop_back();
      }
      h = through(level, j, h, active);
    }
    if (i + 1 < up_.size()) h = level.resample ? level.resample(h) : doubled_pixels(h);
  }
  return conv_out_(conv_norm_out_ ? norm_silu(h, conv_norm_out_) : h);
}

TensorsByName UnetImpl::own_names(const TensorsByName& weights) const {
  struct Row {
    std::string_view theirs, ours;
  };
  constexpr std::array<Row, 4> kOld = {
      {{".query.", ".to_q."}, {".key.", ".to_k."}, {".value.", ".to_v."}, {".proj_attn.", ".to_out.0."}}};
  TensorsByName out;
  for (const auto& [name, tensor] : weights) {
    auto own = name;
    for (const auto& [theirs, ours] : kOld)
      if (const auto at = own.find(theirs); own.find(".attentions.") != std::string::npos && at != std::string::npos)
        own.replace(at, theirs.size(), ours);
    out.emplace_back(own, tensor);
  }
  return out;
}

void register_unet(DenoiserCatalog& catalog) {
  const auto add = [&](const char* name, const char* about, const UnetConfig& preset) {
    catalog.add(name, about, preset, [](const UnetConfig& config) { return std::make_shared<UnetImpl>(config); });
  };
  add("unet", "A U-Net that sees the noise in small pictures", {});
  // google/ddpm-cifar10-32 has these settings; its process is ddpm with linear betas, predicting noise.
  add("ddpm-cifar10", "The U-Net of the DDPM paper for 32 x 32 pixels",
      {.channels = 3,
       .image = 32,
       .widths = {128, 256, 256, 256},
       .blocks = 2,
       .attention = {1},
       .head_dim = 0,
       .groups = 32,
       .eps = 1e-6,
       .down_padding = 0,
       .cosines_first = false,
       .frequency_shift = 1});
  add("unet-large", "A U-Net for pictures of 32 or 64 pixels, for a GPU",
      {.channels = 3,
       .image = 32,
       .widths = {128, 256, 256, 256},
       .blocks = 2,
       .attention = {1},
       .head_dim = 64,
       .groups = 32,
       .dropout = 0.1,
       .scaled = true});
}

}  // namespace hadal
