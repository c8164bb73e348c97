#include "hadal/nn/transformer.h"

#include <fmt/format.h>

namespace hadal {
namespace {

/// Linear, GELU, dropout, linear, dropout: parameters 0 and 3.
nn::Sequential feed_forward(const EncoderConfig& config) {
  const Linear widen(config.dim, config.mlp), narrow(config.mlp, config.dim);
  for (const auto& layer : {widen, narrow}) {
    init::xavier_uniform(layer->weight);
    init::normal(layer->bias, 1e-6);
  }
  return nn::Sequential(widen, nn::GELU(), nn::Dropout(config.dropout), narrow, nn::Dropout(config.dropout));
}

}  // namespace

nn::LayerNorm layer_norm(int64_t dim, double eps) { return nn::LayerNorm(nn::LayerNormOptions({dim}).eps(eps)); }

EncoderBlockImpl::EncoderBlockImpl(const EncoderConfig& config) {
  ln_1_ = register_module("ln_1", layer_norm(config.dim, config.norm_eps));
  self_attention_ =
      register_module("self_attention", SelfAttention(config.dim, config.heads, config.attention_dropout));
  dropout_ = register_module("dropout", nn::Dropout(config.dropout));
  ln_2_ = register_module("ln_2", layer_norm(config.dim, config.norm_eps));
  mlp_ = register_module("mlp", feed_forward(config));
}

Tensor EncoderBlockImpl::forward(Tensor x, const AttentionOptions& options) {
  x = x + dropout_(self_attention_(ln_1_(x), options));
  return x + mlp_->forward(ln_2_(x));
}

EncoderLayersImpl::EncoderLayersImpl(const EncoderConfig& config) {
  for (int64_t i = 0; i < config.depth; ++i)
    blocks_.push_back(register_module(fmt::format("encoder_layer_{}", i), EncoderBlock(config)));
}

Tensor EncoderLayersImpl::forward(Tensor x, const AttentionOptions& options) {
  for (auto& block : blocks_) x = block(x, options);
  return x;
}

}  // namespace hadal
