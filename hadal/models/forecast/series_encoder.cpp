#include "hadal/models/forecast/series_encoder.h"

#include <cmath>

#include "hadal/core/shape.h"
#include "hadal/ops/attention.h"
#include "hadal/ops/tokens.h"

namespace hadal {

Fields<SeriesEncoderConfig> SeriesEncoderConfig::fields() {
  using C = SeriesEncoderConfig;
  return {{"dim", &C::dim, "width of a token", at_least(1)},
          {"depth", &C::depth, "how many layers", at_least(0)},
          {"heads", &C::heads, "attention heads in a layer", at_least(1)},
          {"mlp", &C::mlp, "width inside a layer's MLP", at_least(1)},
          {"dropout", &C::dropout, "share dropped of tokens, inside the MLP and behind both halves of a layer",
           from_below(0, 1).changes(Limit::Change::always)},
          {"projection_dropout", &C::projection_dropout, "share dropped behind attention, besides `dropout`",
           from_below(0, 1).changes(Limit::Change::always)},
          {"attention_dropout", &C::attention_dropout, "share of attention weights dropped",
           from_below(0, 1).changes(Limit::Change::always)},
          {"norm", &C::norm, "over all tokens of a batch, or over each token", one_of({"batch", "layer"})},
          {"pre_norm", &C::pre_norm, "normalise before attention and MLP, not behind them"},
          {"residual_attention", &C::residual_attention, "add the scores of the layer before to each layer's"}};
}

void SeriesEncoderConfig::validate() const {
  require(dim % heads == 0, "[model] dim ({}) must be divisible by heads ({}); nearest: {}", dim, heads,
          nearest_multiple(dim, heads));
}

TokenNormImpl::TokenNormImpl(int64_t dim, bool batch) {
  if (batch) {
    batchnorm_ = register_module("batchnorm", nn::BatchNorm1d(dim));
    return;
  }
  weight_ = register_parameter("weight", torch::ones({dim}));
  bias_ = register_parameter("bias", torch::zeros({dim}));
}

Tensor TokenNormImpl::forward(const Tensor& x) {
  if (!batchnorm_.is_empty()) {
    const auto tokens = x.flatten(0, -2);
    if (tokens.size(0) > 1) return batchnorm_(tokens).view(x.sizes());
    // One token has no variance: it is normalised as in scoring.
    const auto& bn = *batchnorm_;
    return torch::batch_norm(tokens, bn.weight, bn.bias, bn.running_mean, bn.running_var, false, 0, bn.options.eps(),
                             false)
        .view(x.sizes());
  }
  return torch::layer_norm(x, weight_.sizes(), weight_, bias_, 1e-5);
}

SeriesAttentionImpl::SeriesAttentionImpl(const SeriesEncoderConfig& config)
    : heads_(config.heads), dropout_(config.attention_dropout), residual_(config.residual_attention) {
  q_proj_ = register_module("q_proj", Linear(config.dim, config.dim));
  k_proj_ = register_module("k_proj", Linear(config.dim, config.dim));
  v_proj_ = register_module("v_proj", Linear(config.dim, config.dim));
  out_proj_ = register_module("out_proj", Linear(config.dim, config.dim));
}

Tensor SeriesAttentionImpl::forward(const Tensor& x, Tensor& scores) {
  const auto dim = q_proj_->weight.size(0);
  const auto weight = torch::cat({q_proj_->weight, k_proj_->weight, v_proj_->weight});
  const auto bias = torch::cat({q_proj_->bias, k_proj_->bias, v_proj_->bias});
  const auto qkv = linear(x, weight, bias)  // (B, T, 3 dim)
                       .view({x.size(0), x.size(1), 3, heads_, dim / heads_})
                       .permute({2, 0, 3, 1, 4});  // (3, B, H, T, D)
  const auto dropout = is_training() ? dropout_ : 0;
  Tensor mixed;
  if (residual_) {
    auto now = torch::matmul(qkv[0], qkv[1].transpose(2, 3)) / std::sqrt(static_cast<double>(dim / heads_));
    scores = scores.defined() ? now + scores : now;
    mixed = torch::matmul(add_dropout(scores.softmax(-1), {}, dropout), qkv[2]);
  } else {
    mixed = attention(qkv[0], qkv[1], qkv[2], {.dropout = dropout});
  }
  return out_proj_(mixed.transpose(1, 2).flatten(2));
}

SeriesLayerImpl::SeriesLayerImpl(const SeriesEncoderConfig& config) : config_(config) {
  const bool batch = config.norm == "batch";
  self_attn_ = register_module("self_attn", SeriesAttention(config));
  norm_sublayer1_ = register_module("norm_sublayer1", TokenNorm(config.dim, batch));
  widen_ = Linear(config.dim, config.mlp), narrow_ = Linear(config.mlp, config.dim);
  const auto ff = register_module("ff", std::make_shared<nn::Module>("ff"));
  ff->register_module("0", widen_);
  ff->register_module("3", narrow_);
  norm_sublayer3_ = register_module("norm_sublayer3", TokenNorm(config.dim, batch));
}

Tensor SeriesLayerImpl::forward(Tensor x, Tensor& scores) {
  const bool pre = config_.pre_norm;
  const auto dropout = is_training() ? config_.dropout : 0;
  // Two dropouts in a row are one.
  const auto twice = is_training() ? 1 - (1 - config_.dropout) * (1 - config_.projection_dropout) : 0;
  x = add_dropout(self_attn_(pre ? norm_sublayer1_(x) : x, scores), x, twice);
  if (!pre) x = norm_sublayer1_(x);
  x = gelu_mlp(pre ? norm_sublayer3_(x) : x, widen_->weight, widen_->bias, narrow_->weight, narrow_->bias, x, dropout,
               dropout);
  return pre ? x : norm_sublayer3_(x);
}

SeriesEncoderImpl::SeriesEncoderImpl(const SeriesEncoderConfig& config) {
  for (int64_t i = 0; i < config.depth; ++i) layers_.push_back(register_module(std::to_string(i), SeriesLayer(config)));
}

Tensor SeriesEncoderImpl::forward(Tensor tokens) {
  Tensor scores;
  for (auto& layer : layers_) tokens = layer(tokens, scores);
  return tokens;
}

}  // namespace hadal
