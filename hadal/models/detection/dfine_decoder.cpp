#include "hadal/models/detection/dfine_decoder.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include "hadal/core/precision.h"
#include "hadal/models/detection/assign.h"
#include "hadal/nn/names_only.h"
#include "hadal/ops/boxes.h"

namespace hadal {
namespace {

/// Two ways for a query to go on, each feature of each let through as far as both say: gate, norm.
struct GateImpl : nn::Module {
  explicit GateImpl(int64_t dim) {
    gate_ = register_module("gate", Linear(2 * dim, 2 * dim));
    norm_ = register_module("norm", Norm(dim, 1e-5));
    init::constant(gate_->weight, 0);
    init::constant(gate_->bias, 0);
  }
  Tensor forward(const Tensor& a, const Tensor& b) {
    const auto open = gate_(torch::cat({a, b}, -1)).sigmoid().chunk(2, -1);
    return norm_(open[0] * a + open[1] * b);
  }

 private:
  Linear gate_{nullptr};
  Norm norm_{nullptr};
};
TORCH_MODULE(Gate);

/// Where the edges lie that are `distance` (..., 4) away from those of `box` (..., 4), in shares of box side / reach.
Tensor moved_edges(const Tensor& box, const Tensor& distance, const Tensor& reach) {
  const auto centre = box.narrow(-1, 0, 2), unit = box.narrow(-1, 2, 2) / reach;
  const auto low = centre - (0.5 * reach + distance.narrow(-1, 0, 2)) * unit;
  const auto high = centre + (0.5 * reach + distance.narrow(-1, 2, 2)) * unit;
  return torch::cat({(low + high) / 2, high - low}, -1);
}

}  // namespace

Tensor logit_of_share(const Tensor& x) {
  constexpr double kEps = 1e-5;
  const auto share = x.clamp(0, 1);
  return (share.clamp_min(kEps) / (1 - share).clamp_min(kEps)).log();
}

std::vector<Tensor> deformable_values(const Tensor& memory, const std::vector<std::pair<int64_t, int64_t>>& shapes,
                                      int64_t heads) {
  std::vector<Tensor> out;
  int64_t first = 0;
  for (const auto& [h, w] : shapes) {
    const auto level = memory.narrow(1, first, h * w).unflatten(2, {heads, -1});  // (B, h w, heads, dim / heads)
    out.push_back(level.permute({0, 2, 3, 1}).flatten(0, 1).unflatten(2, {h, w}));
    first += h * w;
  }
  return out;
}

DeformableAttentionImpl::DeformableAttentionImpl(int64_t dim, int64_t heads, const std::vector<int64_t>& points)
    : heads_(heads), points_(points) {
  const auto all = std::accumulate(points.begin(), points.end(), int64_t{0});
  std::vector<float> scale, farther;
  for (const auto count : points)
    for (int64_t i = 0; i < count; ++i) {
      scale.push_back(1.0F / static_cast<float>(count));
      farther.push_back(static_cast<float>(i + 1));
    }
  num_points_scale_ = register_buffer("num_points_scale", torch::tensor(scale));
  sampling_offsets_ = register_module("sampling_offsets", Linear(dim, heads * all * 2));
  attention_weights_ = register_module("attention_weights", Linear(dim, heads * all));
  // At first each head looks in a direction of its own, every point a step farther, and at all of them alike.
  if (WithoutInit::active()) return;
  const auto turn = torch::arange(heads) * (2 * std::numbers::pi / static_cast<double>(heads));
  auto way = torch::stack({turn.cos(), turn.sin()}, 1);
  way = way / way.abs().amax(1, true);
  const auto places = way.view({heads, 1, 2}) * torch::tensor(farther).view({1, -1, 1});
  const torch::NoGradGuard no_grad;
  sampling_offsets_->bias.copy_(places.flatten());
  for (const auto& zero : {sampling_offsets_->weight, attention_weights_->weight, attention_weights_->bias})
    init::constant(zero, 0);
}

Tensor DeformableAttentionImpl::forward(const Tensor& x, const Tensor& boxes, const std::vector<Tensor>& values) {
  constexpr double kOffset = 0.5;
  const auto batch = x.size(0), count = x.size(1);
  const auto offsets = precise(sampling_offsets_(x)).view({batch, count, heads_, -1, 2});
  const auto weights = precise(attention_weights_(x)).view({batch, count, heads_, -1}).softmax(-1);
  const auto box = boxes.view({batch, count, 1, 1, 4});
  const auto scale = num_points_scale_.to(offsets.scalar_type()).unsqueeze(1) * kOffset;
  const auto places = box.narrow(4, 0, 2) + offsets * scale * box.narrow(4, 2, 2);  // (B, Q, heads, P, 2)
  const auto grids = (2 * places - 1).transpose(1, 2).flatten(0, 1).split_with_sizes(points_, 2);
  std::vector<Tensor> looked;  // (B heads, dim / heads, Q, p)
  for (size_t i = 0; i < values.size(); ++i)
    looked.push_back(torch::grid_sampler(values[i], grids[i], /*bilinear*/ 0, /*zeros*/ 0, /*align_corners=*/false));
  const auto share = weights.transpose(1, 2).flatten(0, 1).unsqueeze(1);                   // (B heads, 1, Q, P)
  const auto seen = (torch::cat(looked, 3) * share).sum(3).unflatten(0, {batch, heads_});  // (B, heads, w, Q)
  return seen.flatten(1, 2).transpose(1, 2);
}

struct DfineDecoderImpl::Layer : nn::Module {
  explicit Layer(const DfineConfig& config) {
    self_attn_ = register_module("self_attn", DfineAttention(config.dim, config.heads));
    norm1_ = register_module("self_attn_layer_norm", Norm(config.dim, 1e-5));
    look_ = register_module("encoder_attn", DeformableAttention(config.dim, config.heads, config.points));
    mlp_ = register_module("mlp", DfineMlp(config.dim, config.hidden, config.dim, 2));
    norm2_ = register_module("final_layer_norm", Norm(config.dim, 1e-5));
    gateway_ = register_module("gateway", Gate(config.dim));
    for (auto& layer : mlp_->layers) {
      init::xavier_uniform(layer->weight);
    }
  }
  Tensor forward(const Tensor& x, const Tensor& places, const Tensor& boxes, const std::vector<Tensor>& values,
                 const Tensor& mask) {
    constexpr double kLargestHalf = 65504;
    auto y = norm1_(x + self_attn_(x, places, mask));
    y = gateway_(y, look_(y + places, boxes, values));
    return norm2_((y + mlp_(y)).clamp(-kLargestHalf, kLargestHalf));
  }

 private:
  DfineAttention self_attn_{nullptr};
  DeformableAttention look_{nullptr};
  Norm norm1_{nullptr}, norm2_{nullptr};
  DfineMlp mlp_{nullptr};
  Gate gateway_{nullptr};
};

/// How good a box is, from how sharp its edges' distributions are (Li et al. 2021, arXiv:2011.12885): reg_conf.
struct DfineDecoderImpl::Quality : nn::Module {
  static constexpr int64_t kBest = 4, kHidden = 64;
  Quality() {
    reg_conf_ = register_module("reg_conf", DfineMlp(4 * (kBest + 1), kHidden, 1, 2));
    reg_conf_->begin_with_zero();
  }
  /// corners (B, Q, 4 (bins + 1)) -> (B, Q, 1), to be added to the logits
  Tensor forward(const Tensor& corners) {
    const auto best = std::get<0>(corners.unflatten(2, {4, -1}).softmax(-1).topk(kBest, -1));
    return reg_conf_(torch::cat({best, best.mean(-1, true)}, -1).flatten(2));
  }

 private:
  DfineMlp reg_conf_{nullptr};
};

DfineDecoderImpl::DfineDecoderImpl(const DfineConfig& config) : bins_(config.bins) {
  reg_scale_ = register_parameter("reg_scale", torch::tensor({static_cast<float>(config.reach)}), false);
  up_ = register_parameter("up", torch::tensor({static_cast<float>(config.farthest)}), false);
  const auto list = [&](const char* name) { return register_module(name, std::make_shared<NamesOnly>()); };
  const auto layers = list("layers");
  query_pos_head_ = register_module("query_pos_head", DfineMlp(4, 2 * config.dim, config.dim, 2));
  for (auto& layer : query_pos_head_->layers) init::xavier_uniform(layer->weight);
  pre_bbox_head_ = register_module("pre_bbox_head", DfineMlp(config.dim, config.dim, 4, 3));
  pre_bbox_head_->begin_with_zero();
  const auto quality = list("lqe_layers"), classes = list("class_embed"), boxes = list("bbox_embed");
  for (int64_t i = 0; i < config.layers; ++i) {
    const auto name = std::to_string(i);
    layers_.push_back(layers->register_module(name, std::make_shared<Layer>(config)));
    lqe_layers_.push_back(quality->register_module(name, std::make_shared<Quality>()));
    class_embed_.push_back(classes->register_module(name, Linear(config.dim, config.classes)));
    init::constant(class_embed_.back()->bias, -std::log((1 - 0.01) / 0.01));  // one query in a hundred is right
    bbox_embed_.push_back(boxes->register_module(name, DfineMlp(config.dim, config.dim, 4 * (config.bins + 1), 3)));
    bbox_embed_.back()->begin_with_zero();
  }
}

Tensor DfineDecoderImpl::steps() const {
  const auto near = up_.abs() * reg_scale_.abs();
  const auto step = (near + 1).pow(2.0 / static_cast<double>(bins_ - 2));
  const auto right = step.pow(torch::arange(1, bins_ / 2, step.options())) - 1;
  return torch::cat({-2 * near, -right.flip(0), torch::zeros_like(near), right, 2 * near});
}

DfineDecoded DfineDecoderImpl::forward(const Tensor& queries, const Tensor& places, const std::vector<Tensor>& values,
                                       const Tensor& mask, bool all) {
  const auto type = places.scalar_type();
  const auto distances = steps().to(type), reach = reg_scale_.abs().to(type);
  DfineDecoded out;
  auto x = queries, boxes = places.sigmoid();
  Tensor before, corners;  // of the layer before
  for (size_t i = 0; i < layers_.size(); ++i) {
    const auto placed = query_pos_head_(boxes).clamp(-10, 10);
    x = layers_[i]->forward(x, placed, boxes, values, mask);
    const bool says = all || i + 1 == layers_.size();
    if (i == 0) out.first.boxes = (precise(pre_bbox_head_(x)) + logit_of_share(boxes)).sigmoid();
    const auto change = precise(bbox_embed_[i](before.defined() ? x + before : x));
    corners = corners.defined() ? change + corners : change;
    // The edge moves by the mean of its distribution.
    const auto distance = corners.unflatten(2, {4, -1}).softmax(-1).matmul(distances);
    const auto refined = moved_edges(out.first.boxes.detach(), distance, reach);
    boxes = refined.detach();
    before = x.detach();
    if (!says) continue;
    const auto logits = precise(class_embed_[i](x));
    if (i == 0) out.first.logits = logits;
    out.layers.push_back({logits + precise(lqe_layers_[i]->forward(corners)), refined, corners});
  }
  return out;
}

}  // namespace hadal
