#include "hadal/models/detection/dfine_layers.h"

#include "hadal/ops/attention.h"

namespace hadal {

DfineMlpImpl::DfineMlpImpl(int64_t in, int64_t hidden, int64_t out, int64_t count, bool gelu) : gelu_(gelu) {
  const auto list = register_module("layers", nn::ModuleList());
  for (int64_t i = 0; i < count; ++i) {
    layers.emplace_back(i == 0 ? in : hidden, i + 1 == count ? out : hidden);
    list->push_back(layers.back());
  }
}

Tensor DfineMlpImpl::forward(const Tensor& x) {
  auto y = layers[0](x);
  for (size_t i = 1; i < layers.size(); ++i) y = layers[i](gelu_ ? torch::gelu(y) : y.relu());
  return y;
}

void DfineMlpImpl::begin_with_zero() {
  init::constant(layers.back()->weight, 0);
  init::constant(layers.back()->bias, 0);
}

DfineAttentionImpl::DfineAttentionImpl(int64_t dim, int64_t heads) : heads_(heads) {
  k_proj_ = register_module("k_proj", Linear(dim, dim));
  v_proj_ = register_module("v_proj", Linear(dim, dim));
  q_proj_ = register_module("q_proj", Linear(dim, dim));
  o_proj_ = register_module("o_proj", Linear(dim, dim));
}

Tensor DfineAttentionImpl::forward(const Tensor& x, const Tensor& places, const Tensor& mask) {
  const auto split = [&](const Tensor& y) { return y.unflatten(2, {heads_, -1}).transpose(1, 2); };
  const auto placed = x + places;
  AttentionOptions options;
  options.mask = mask;
  const auto mixed = attention(split(q_proj_(placed)), split(k_proj_(placed)), split(v_proj_(x)), options);
  return o_proj_(mixed.transpose(1, 2).flatten(2));
}

nn::Sequential dfine_projection(int64_t in, int64_t out) {
  return nn::Sequential(nn::Conv2d(nn::Conv2dOptions(in, out, 1).bias(false)), nn::BatchNorm2d(out));
}

}  // namespace hadal
