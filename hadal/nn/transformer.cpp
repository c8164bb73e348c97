#include "hadal/nn/transformer.h"

#include <fmt/format.h>

#include "hadal/core/error.h"
#include "hadal/ops/tokens.h"

namespace hadal {

BlockImpl::BlockImpl(const BlockConfig& config) : norm_first_(config.norm_first), dropout_(config.dropout) {
  const auto norm = [&] { return Norm(config.dim, config.norm_eps, config.norm, config.bias); };
  const auto attention = [&](int64_t window) {
    return MultiHeadAttention(MultiHeadConfig{.dim = config.dim,
                                              .heads = config.heads,
                                              .kv_heads = config.kv_heads,
                                              .window = window,
                                              .dropout = config.attention_dropout,
                                              .bias = config.attention_bias.value_or(config.bias),
                                              .out_bias = config.out_bias.value_or(config.bias)});
  };
  ln_1_ = register_module("ln_1", norm());
  self_attention_ = register_module("self_attention", attention(config.window));
  if (config.cross) {
    ln_cross_ = register_module("ln_cross", norm());
    cross_attention_ = register_module("cross_attention", attention(0));
  }
  ln_2_ = register_module("ln_2", norm());
  mlp_ = register_module("mlp", MlpLayers(config.dim, config.mlp, config.activation,
                                          config.mlp_bias.value_or(config.bias), config.mlp_dropout, config.dropout));
}

template <class Part>
Tensor BlockImpl::added(const Tensor& x, Norm& norm, const Part& part) {
  return norm_first_ ? part(norm(x), x) : norm(part(x, x));
}

Tensor BlockImpl::forward(Tensor x, const BlockInput& input, size_t layer) {
  auto* cache = input.cache ? &input.cache->layers.at(layer) : nullptr;
  auto* weights = input.weights ? &input.weights->emplace_back() : nullptr;
  const auto share = is_training() ? dropout_ : 0;
  x = added(x, ln_1_, [&](const Tensor& y, const Tensor& residual) {
    const AttentionInput to{input.options, input.rotation, cache, weights};
    return add_dropout(self_attention_->self(y, to), residual, share);
  });
  if (cross_attention_)
    x = added(x, ln_cross_, [&](const Tensor& y, const Tensor& residual) {
      const AttentionInput to{input.memory_options, {}, cache, {}};
      return add_dropout(cross_attention_->cross(y, input.memory, to), residual, share);
    });
  return added(x, ln_2_, [&](const Tensor& y, const Tensor& residual) { return mlp_(y, residual); });
}

BlocksImpl::BlocksImpl(const BlockConfig& config, int64_t depth, const std::string& prefix) {
  for (int64_t i = 0; i < depth; ++i) blocks_.push_back(register_module(fmt::format("{}{}", prefix, i), Block(config)));
}

Tensor BlocksImpl::forward(Tensor x, const BlockInput& input) {
  for (size_t i = 0; i < blocks_.size(); ++i) x = blocks_[i](x, input, i);
  return x;
}

StackImpl::StackImpl(const StackConfig& config) : config_(config) {
  const auto& block = config.block;
  const auto& positions = config.positions;
  require(positions == "none" || positions == "rotary" || positions == "alibi" || positions == "relative",
          "[transformer] there are no positions \"{}\" inside attention; known: none, rotary, alibi, relative",
          positions);
  layers_ = register_module("layers", Blocks(block, config.depth));
  if (config.final_norm) norm_ = register_module("norm", Norm(block.dim, block.norm_eps, block.norm, block.bias));
  if (positions == "relative")
    relative_bias_ = register_module("relative_bias", RelativeBias(block.heads, !config.causal));
  if (positions == "alibi") slopes_ = alibi_slopes(block.heads);
}

Tensor StackImpl::forward(const Tensor& x, const StackInput& input) {
  if (input.cache)
    require(std::ssize(input.cache->layers) == config_.depth,
            "[transformer] the cache has {} layers and the stack {}; make_cache() gives one that fits",
            input.cache->layers.size(), config_.depth);
  const auto tokens = x.size(1), seen = input.cache ? input.cache->seen() : 0;
  const auto places = x.options().dtype(torch::kInt64);
  const auto queries = torch::arange(seen, seen + tokens, places);
  const auto keys = input.cache && config_.depth > 0 ? input.cache->layers[0].own.key_positions(tokens) : queries;
  BlockInput to{.options = {.mask = input.mask, .causal = config_.causal},
                .memory = input.memory,
                .memory_options = {.mask = input.memory_mask},
                .cache = input.cache,
                .weights = input.weights};
  auto& options = to.options;
  Rotation angles;
  if (config_.positions == "rotary") {
    angles = rotation(queries, config_.block.dim / config_.block.heads, config_.rotary);
    to.rotation = &angles;
  } else if (relative_bias_) {
    options.mask = both_masks(options.mask, relative_bias_(queries, keys));
  }
  if (input.cache && seen + tokens > input.cache->length()) {
    // A cache that rolled over has its keys in another order, and several queries must not see the same ones.
    options.mask = both_masks(options.mask, position_mask(queries, keys, options.causal, input.cache->length()));
    if (slopes_.defined()) options.mask = both_masks(options.mask, alibi_bias(slopes_, queries, keys));
    options.causal = false;
  } else {
    options.slopes = slopes_;
  }
  if (input.cache && input.cache->starts.defined())
    options.mask = both_masks(options.mask, (keys >= input.cache->starts.unsqueeze(1)).unsqueeze(1).unsqueeze(1));
  const auto y = layers_(x, to);
  return norm_ ? norm_(y) : y;
}

DecodingCache StackImpl::make_cache(int64_t batch, int64_t length, at::ScalarType type) const {
  const auto& block = config_.block;
  if (block.window > 0) length = std::min(length, block.window);
  const auto all = parameters();
  const auto options = (all.empty() ? at::TensorOptions() : all[0].options()).dtype(type).requires_grad(false);
  DecodingCache cache;
  for (int64_t i = 0; i < config_.depth; ++i)
    cache.layers.push_back({KeyValueCache(batch, block.kv_heads > 0 ? block.kv_heads : block.heads, length,
                                          block.dim / block.heads, options),
                            {},
                            {}});
  return cache;
}

EncoderDecoderImpl::EncoderDecoderImpl(StackConfig from, StackConfig to) {
  to.causal = to.block.cross = true;
  encoder = register_module("encoder", Stack(from));
  decoder = register_module("decoder", Stack(to));
}

Tensor EncoderDecoderImpl::forward(const Tensor& source, const Tensor& target, const Tensor& source_mask,
                                   const Tensor& target_mask, const Tensor& memory_mask) {
  const auto memory = encoder(source, StackInput{.mask = source_mask});
  const bool padding = source_mask.defined() && (source_mask.dim() < 2 || source_mask.size(-2) == 1);
  return decoder(target, StackInput{.mask = target_mask,
                                    .memory = memory,
                                    .memory_mask = padding && !memory_mask.defined() ? source_mask : memory_mask});
}

}  // namespace hadal
