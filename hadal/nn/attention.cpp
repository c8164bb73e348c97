#include "hadal/nn/attention.h"

#include "hadal/core/error.h"
#include "hadal/core/shape.h"

namespace hadal {
namespace {

/// softmax(q k^T) as it is looked at: in plain operations, without gradients.
Tensor attention_weights(const Tensor& q, const Tensor& k, const AttentionOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto keys = torch::arange(k.size(2), q.options().dtype(torch::kInt64));
  const auto queries = torch::arange(k.size(2) - q.size(2), k.size(2), keys.options());
  auto mask = options.mask;
  if (options.causal || options.window > 0)
    mask = both_masks(mask, position_mask(queries, keys, options.causal, options.window));
  if (options.slopes.defined()) mask = both_masks(mask, alibi_bias(options.slopes, queries, keys));
  const auto scale = options.scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3))));
  auto scores = (q.to(torch::kFloat32) * scale)
                    .matmul(k.to(torch::kFloat32).repeat_interleave(q.size(1) / k.size(1), 1).transpose(2, 3));
  if (mask.defined()) scores = both_masks(scores, mask);
  return scores.softmax(-1).masked_fill(scores.eq(-INFINITY).all(-1, true), 0);
}

}  // namespace

MultiHeadAttentionImpl::MultiHeadAttentionImpl(const MultiHeadConfig& config)
    : heads_(config.heads),
      kv_heads_(config.kv_heads > 0 ? config.kv_heads : config.heads),
      width_(config.dim / std::max<int64_t>(config.heads, 1)),
      window_(config.window),
      dropout_(config.dropout) {
  require(heads_ > 0 && config.dim % heads_ == 0, "[attention] dim ({}) must be divisible by heads ({}); nearest: {}",
          config.dim, heads_, nearest_multiple(config.dim, std::max<int64_t>(heads_, 1)));
  require(heads_ % kv_heads_ == 0, "[attention] heads ({}) must be divisible by kv_heads ({})", heads_, kv_heads_);
  const auto rows = (heads_ + 2 * kv_heads_) * width_;
  in_proj_weight_ = register_parameter("in_proj_weight", torch::empty({rows, config.dim}));
  in_proj_bias_ = register_parameter("in_proj_bias", config.bias ? torch::empty({rows}) : Tensor(), config.bias);
  out_proj_ = register_module("out_proj", Linear(config.dim, config.dim, config.out_bias.value_or(config.bias)));
  init::xavier_uniform(in_proj_weight_);
  for (const auto& bias : {in_proj_bias_, out_proj_->bias})
    if (bias.defined()) init::constant(bias, 0);
}

Tensor MultiHeadAttentionImpl::split(const Tensor& projected) const {
  return projected.view({projected.size(0), projected.size(1), projected.size(2) / width_, width_}).transpose(1, 2);
}

MultiHeadAttentionImpl::Heads MultiHeadAttentionImpl::project(const Tensor& q, const Tensor& k, const Tensor& v) {
  const auto dim = in_proj_weight_.size(1);
  for (const auto* x : {&q, &k, &v}) expect_shape("attention", *x, {kAny, kAny, dim});
  if (q.is_same(k) && k.is_same(v)) {
    const auto all =
        split(linear(q, in_proj_weight_, in_proj_bias_)).split_with_sizes({heads_, kv_heads_, kv_heads_}, 1);
    return {all[0], all[1], all[2]};
  }
  const std::vector<int64_t> rows{heads_ * width_, kv_heads_ * width_, kv_heads_ * width_};
  const auto weights = in_proj_weight_.split_with_sizes(rows);
  const auto biases = in_proj_bias_.defined() ? in_proj_bias_.split_with_sizes(rows) : std::vector<Tensor>(3);
  return {split(linear(q, weights[0], biases[0])), split(linear(k, weights[1], biases[1])),
          split(linear(v, weights[2], biases[2]))};
}

Tensor MultiHeadAttentionImpl::mix(const Heads& heads, const AttentionInput& input) {
  auto options = input.options;
  options.dropout = is_training() ? dropout_ : 0;
  options.window = window_;
  if (input.weights) *input.weights = attention_weights(heads.q, heads.k, options);
  const auto mixed = attention(heads.q, heads.k, heads.v, options);
  return out_proj_(mixed.transpose(1, 2).flatten(2));  // (B, Tq, dim)
}

Tensor MultiHeadAttentionImpl::attend(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionInput& input) {
  auto heads = project(q, k, v);
  if (input.rotation) {
    heads.q = rotated(heads.q, *input.rotation);
    heads.k = rotated(heads.k, *input.rotation);
  }
  if (input.cache) {
    const auto all = input.cache->own.add(heads.k, heads.v);
    heads.k = all.first.to(heads.q.scalar_type());
    heads.v = all.second.to(heads.q.scalar_type());
  }
  return mix(heads, input);
}

Tensor MultiHeadAttentionImpl::forward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask) {
  return attend(q, k, v, AttentionInput{.options = {.mask = mask_of_zeros(mask)}});
}

Tensor MultiHeadAttentionImpl::cross(const Tensor& x, const Tensor& memory, const AttentionInput& input) {
  require(!input.rotation, "[attention] cross-attention takes no rotary positions: the memory's are not the queries'");
  auto* kept = input.cache;
  if (!kept) return attend(x, memory, memory, input);
  Heads heads;
  if (!kept->memory_keys.defined()) {
    heads = project(x, memory, memory);
    kept->memory_keys = heads.k;
    kept->memory_values = heads.v;
  } else {
    const auto rows = heads_ * width_;
    const auto bias = in_proj_bias_.defined() ? in_proj_bias_.slice(0, 0, rows) : Tensor();
    heads = {split(linear(x, in_proj_weight_.slice(0, 0, rows), bias)), kept->memory_keys, kept->memory_values};
  }
  return mix(heads, input);
}

}  // namespace hadal
