// Shapes, masks and the formula that the tests of every way to compute attention share.
#pragma once
#include "hadal/ops/attention.h"

#include "tests/support/support.h"

namespace hadal::test {

struct Shape {
  int64_t batch, heads, queries, keys, width;
  int64_t groups = heads;  // heads of k and v
};

struct Inputs {
  Tensor q, k, v, dout;
};

// Heads as slices of one projection, as models have them.
inline Inputs inputs(const Shape& s, at::ScalarType type) {
  torch::manual_seed(s.queries);
  auto heads = [&](int64_t length, int64_t count) {
    return torch::randn({s.batch, length, count, 3 * s.width}, at::kDouble)
        .to(type)
        .slice(3, s.width, 2 * s.width)
        .transpose(1, 2);
  };
  return {heads(s.queries, s.heads), heads(s.keys, s.groups), heads(s.keys, s.groups), heads(s.queries, s.heads)};
}

// softmax(scale q k^T + mask) v in float64, by its definition.
inline Tensor formula(const Tensor& q, const Tensor& k0, const Tensor& v0, const AttentionOptions& options) {
  const auto scale = options.scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3))));
  const auto k = k0.repeat_interleave(q.size(1) / k0.size(1), 1), v = v0.repeat_interleave(q.size(1) / k0.size(1), 1);
  auto scores = torch::matmul(q, k.transpose(2, 3)) * scale;
  if (options.mask.defined() && options.mask.scalar_type() == at::kBool)
    scores = scores.masked_fill(options.mask.logical_not(), -INFINITY);
  if (options.mask.defined() && options.mask.scalar_type() != at::kBool) scores = scores + options.mask.to(at::kDouble);
  const auto place = torch::arange(q.size(2)).unsqueeze(1) + (k.size(2) - q.size(2));
  const auto distance = place - torch::arange(k.size(2)).unsqueeze(0);
  if (options.causal) scores = scores.masked_fill(distance < 0, -INFINITY);
  if (options.window > 0) scores = scores.masked_fill(distance.abs() >= options.window, -INFINITY);
  if (options.slopes.defined()) scores = scores - options.slopes.to(at::kDouble).view({-1, 1, 1}) * distance.abs();
  const auto empty = scores.eq(-INFINITY).all(-1, true);
  return torch::matmul(scores.masked_fill(empty, 0).softmax(-1).masked_fill(empty, 0), v);
}

using Operator = std::function<Tensor(const Tensor&, const Tensor&, const Tensor&, const AttentionOptions&)>;

inline std::vector<Tensor> run(const Inputs& in, const AttentionOptions& options, const Operator& f,
                               std::optional<at::ScalarType> type = {}) {
  auto leaf = [&](const Tensor& t) { return (type ? t.to(*type) : t).detach().requires_grad_(); };
  const auto q = leaf(in.q), k = leaf(in.k), v = leaf(in.v);
  const auto y = f(q, k, v, options);
  y.backward(type ? in.dout.to(*type) : in.dout);
  return {y.detach(), q.grad(), k.grad(), v.grad()};
}

constexpr int kMasks = 12;
// Bit 0: causal; then none, padding, a bool mask with an empty row, numbers to add for each head, a window, slopes.
inline AttentionOptions mask_of_kind(const Shape& s, int kind) {
  torch::manual_seed(kind);
  AttentionOptions options{.causal = kind % 2 == 1};
  if (kind / 2 == 1) options.mask = torch::arange(s.keys) < torch::randint(1, s.keys + 1, {s.batch, 1, 1, 1});
  if (kind / 2 == 2) {
    options.mask = torch::rand({s.queries, s.keys}) < 0.6;
    options.mask[s.queries / 2].fill_(false);
  }
  if (kind / 2 == 3) {
    options.mask = torch::randn({s.heads, s.queries, s.keys});
    options.mask.select(1, 0).fill_(-INFINITY);
    options.scale = 0.3;
  }
  if (kind / 2 == 4) options.window = 1 + s.queries / 3;
  if (kind / 2 == 5) options.slopes = torch::rand({s.heads});
  return options;
}

inline void compare(const std::vector<Tensor>& got, const std::vector<Tensor>& want, double tolerance) {
  const char* names[]{"output", "gradient of q", "gradient of k", "gradient of v"};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(got[i].isfinite().all().item<bool>()) << names[i];
    EXPECT_LE((got[i].to(at::kDouble) - want[i]).abs().max().item<double>(),
              tolerance * (want[i].abs().max().item<double>() + 0.1))
        << names[i];
  }
}

inline void check_all(const std::vector<Shape>& shapes, at::ScalarType type, double tolerance,
                      const std::function<Operator(const Shape&)>& make, int masks = kMasks) {
  for (const auto& s : shapes) {
    const auto in = inputs(s, type);
    for (int kind = 0; kind < masks; ++kind) {
      SCOPED_TRACE(
          fmt::format("{} heads of {} x {} x {}, mask {}", s.batch * s.heads, s.queries, s.keys, s.width, kind));
      const auto options = mask_of_kind(s, kind);
      compare(run(in, options, make(s)), run(in, options, formula, at::kDouble), tolerance);
    }
  }
}

}  // namespace hadal::test
