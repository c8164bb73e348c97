#include "hadal/ops/attention.h"

#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "hadal/ops/attention_products.h"

#include "tests/ops/attention_cases.h"
#include "tests/support/support.h"

namespace hadal::test {
namespace {

// One for each path and both sides of a causal mask; the third has several blocks of queries, the last rows without
// keys.
const std::vector<Shape> kAttentionShapes{{2, 3, 9, 9, 8},       {2, 3, 9, 14, 8},     {1, 2, 300, 300, 16},
                                          {2, 2, 150, 170, 64},  {1, 2, 170, 150, 64}, {2, 1, 1, 40, 8},
                                          {2, 6, 30, 33, 12, 2}, {3, 4, 20, 20, 5, 1}};

const auto chosen = [](const Shape&) -> Operator { return attention; };

TEST(Attention, EqualsItsFormulaInFp32) { check_all(kAttentionShapes, at::kFloat, 1e-5, chosen); }
TEST(Attention, EqualsItsFormulaInDouble) { check_all(kAttentionShapes, at::kDouble, 1e-12, chosen); }
TEST(Attention, EqualsItsFormulaInBf16) { check_all(kAttentionShapes, at::kBFloat16, 3e-2, chosen); }

// Whatever shape is sent there: both ways through the CPU's operator, with blocks that do not divide the queries.
TEST(Attention, EqualsItsFormulaOnEachPath) {
  for (const bool by_head : {false, true}) {
    for (const int64_t block : {37, 64}) {
      SCOPED_TRACE(fmt::format("by_head {}, block {}", by_head, block));
      check_all(
          kAttentionShapes, at::kFloat, 1e-5,
          [=](const Shape& s) -> Operator {
            return [=](const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o) {
              auto bias = o.mask;
              if (bias.defined() && bias.scalar_type() == at::kBool)
                bias = at::zeros(bias.sizes()).masked_fill_(bias.logical_not(), -INFINITY);
              const auto scale = o.scale.value_or(1 / std::sqrt(static_cast<double>(s.width)));
              const auto repeated = [&](const Tensor& t) { return t.repeat_interleave(s.heads / s.groups, 1); };
              return products_attention(q, repeated(k), repeated(v), {bias, o.causal, scale, 0, by_head, block});
            };
          },
          8);
    }
  }
}

// Masks with gradients go through LibTorch's operator.
TEST(Attention, EqualsItsFormulaWithAMaskThatLearns) {
  const Shape s{2, 3, 9, 14, 8};
  const auto in = inputs(s, at::kFloat);
  for (const int kind : {6, 7}) {
    const auto plain = mask_of_kind(s, kind);
    auto options = plain, wide = plain;
    options.mask = plain.mask.clone().requires_grad_();
    wide.mask = plain.mask.to(at::kDouble).requires_grad_();
    compare(run(in, options, attention), run(in, wide, formula, at::kDouble), 1e-5);
    EXPECT_LE(relative_error(options.mask.grad().nan_to_num(), wide.mask.grad().nan_to_num()), 1e-5);
  }
}

TEST(Attention, DropsWeightsAndKeepsTheirMean) {
  for (const auto& s : {Shape{2, 3, 20, 20, 8}, Shape{1, 2, 140, 140, 64}}) {
    const auto in = inputs(s, at::kDouble);
    torch::manual_seed(5);
    const auto first = attention(in.q, in.k, in.v, {.dropout = 0.3}),
               second = attention(in.q, in.k, in.v, {.dropout = 0.3});
    torch::manual_seed(5);
    EXPECT_TRUE(first.equal(attention(in.q, in.k, in.v, {.dropout = 0.3})));
    EXPECT_FALSE(first.equal(second));
    auto sum = torch::zeros_like(first);
    for (int i = 0; i < 60; ++i) sum += attention(in.q, in.k, in.v, {.dropout = 0.3});
    EXPECT_LE(((sum / 60) - formula(in.q, in.k, in.v, {})).abs().max().item<double>(), 0.4);
  }
}

// With the drawn weights known from v = identity, forward and backward must have used the same draw.
TEST(Attention, UsesTheSameDropoutBackward) {
  for (const auto& s : {Shape{1, 2, 24, 24, 24}, Shape{1, 2, 140, 140, 140}}) {
    const auto in = inputs(s, at::kDouble);
    const auto identity = torch::eye(s.keys, at::kDouble).expand({1, 2, s.keys, s.keys}).contiguous();
    auto q = in.q.detach().requires_grad_(), v = identity.requires_grad_();
    torch::manual_seed(6);
    const auto weights = attention(q, in.k, v, {.dropout = 0.5});
    const auto keep = weights.detach().ne(0).to(at::kDouble) * 2;
    auto grads = torch::autograd::grad({weights}, {q, v}, {in.dout.contiguous()});
    auto q2 = in.q.detach().requires_grad_(), v2 = identity.detach().requires_grad_();
    const auto scores = torch::matmul(q2, in.k.transpose(2, 3)) / std::sqrt(static_cast<double>(s.width));
    auto want = torch::autograd::grad({torch::matmul(scores.softmax(-1) * keep, v2)}, {q2, v2}, {in.dout.contiguous()});
    EXPECT_LE(relative_error(grads[0], want[0]), 1e-10);
    EXPECT_LE(relative_error(grads[1], want[1]), 1e-10);
  }
}

TEST(Attention, CastsUnderAutocast) {
  const auto in = inputs({2, 3, 40, 40, 16}, at::kFloat);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  auto q = in.q.detach().requires_grad_();
  const auto y = attention(q, in.k, in.v);
  at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(at::kCPU, false);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  y.sum().backward();
  EXPECT_EQ(q.grad().scalar_type(), at::kFloat);
}

// The same draws for any number of threads; the same bits for the same number.
TEST(Attention, DoesNotDependOnTheThreads) {
  const auto in = inputs({2, 3, 200, 200, 64}, at::kFloat);
  const int threads = at::get_num_threads();
  auto with_threads = [&](int count) {
    at::set_num_threads(count);
    return run(in, {.causal = true, .dropout = 0.1},
               [](auto&&... a) { return torch::manual_seed(1), attention(a...); });
  };
  const auto one = with_threads(1), two = with_threads(2), again = with_threads(2);
  at::set_num_threads(threads);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(two[i].equal(again[i])) << i;
    EXPECT_LE(relative_error(two[i], one[i]), 1e-5) << i;
  }
}

TEST(Attention, TakesEmptyBatches) {
  const auto y = attention(torch::randn({0, 2, 5, 8}), torch::randn({0, 2, 5, 8}), torch::randn({0, 2, 5, 8}));
  EXPECT_EQ(y.sizes(), (std::vector<int64_t>{0, 2, 5, 8}));
}

TEST(Attention, RefusesWhatDoesNotFit) {
  const auto t = torch::randn({2, 3, 5, 8});
  EXPECT_ERROR(attention(t, t.slice(3, 0, 4), t), "k (2, 3, 5, 4) and v (2, 3, 5, 8) must be (2, 3, 5, 8)");
  const auto two = t.slice(1, 0, 2);
  EXPECT_ERROR(attention(t, two, two), "q's heads (3) must be a multiple of k's and v's (2)");
  EXPECT_ERROR(attention(t, t, two), "k (2, 3, 5, 8) and v (2, 2, 5, 8) must be (2, 3, 5, 8)");
  EXPECT_ERROR(attention(t, t, t, {.window = -1}), "window (-1) must be at least 0");
  EXPECT_ERROR(attention(t, t, t, {.slopes = torch::ones(2)}), "slopes (2) must be (3), one for each of q's heads");
  EXPECT_ERROR(attention(t[0], t[0], t[0]), "must be (batch, heads, length, width); got 3, 3, 3");
  EXPECT_ERROR(attention(t, t, t, {.mask = torch::ones({5, 6}, at::kBool)}),
               "the mask (5, 6) must broadcast to (2, 3, 5, 5)");
  for (const auto type : {at::kLong, at::kInt, at::kByte})
    EXPECT_ERROR(attention(t, t, t, {.mask = torch::ones({5, 5}, type)}), "where zeros forbid, give mask.ne(0)");
  EXPECT_ERROR(attention(t, t, t, {.dropout = 1}), "dropout (1) must be at least 0 and below 1");
  auto q = t.detach().requires_grad_();
  EXPECT_ERROR(torch::autograd::grad({attention(q, t, t).sum()}, {q}, {}, true, true), "no gradient of its gradient");
}

}  // namespace
}  // namespace hadal::test
