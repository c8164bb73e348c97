#include "hadal/models/generative/resample.h"

namespace hadal {
namespace {

/// (C, 1, 4, 4), of sum `gain`.
Tensor filter(const Tensor& x, double gain) {
  const auto line = torch::tensor({1.0, 3.0, 3.0, 1.0}, x.options().requires_grad(false)) / 8;
  return (torch::outer(line, line) * gain).expand({x.size(1), 1, 4, 4});
}

}  // namespace

Tensor doubled(const Tensor& x) {
  return torch::conv_transpose2d(x, filter(x, 4), {}, /*stride=*/2, /*padding=*/1, /*output_padding=*/0, x.size(1));
}

Tensor halved(const Tensor& x) { return torch::conv2d(x, filter(x, 1), {}, 2, 1, 1, x.size(1)); }

Tensor smoothed(const Tensor& x, int64_t padding, double gain) {
  return torch::conv2d(x, filter(x, gain), {}, 1, padding, 1, x.size(1));
}

Tensor with_minibatch_stddev(const Tensor& x, int64_t group) {
  const auto count = x.size(0);
  auto size = std::min(group, count);
  while (size > 1 && count % size != 0) --size;
  if (count == 0) return torch::constant_pad_nd(x, {0, 0, 0, 0, 0, 1});
  const auto groups = x.reshape({size, count / size, x.size(1), x.size(2), x.size(3)});
  const auto spread = (groups - groups.mean(0)).square().mean(0).add(1e-8).sqrt().mean({1, 2, 3});  // (N / size)
  return torch::cat({x, spread.repeat({size}).view({-1, 1, 1, 1}).expand({-1, 1, x.size(2), x.size(3)})}, 1);
}

}  // namespace hadal
