#include "hadal/ops/tokens.h"

#include <torch/csrc/autograd/autograd.h>

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

struct Mlp {
  Tensor x, w1, b1, w2, b2, residual;

  Mlp(std::vector<int64_t> shape, int64_t hidden) {
    const auto dim = shape.back();
    x = torch::randn(shape).requires_grad_();
    w1 = (torch::randn({hidden, dim}) / 4).requires_grad_();
    b1 = torch::randn({hidden}).requires_grad_();
    w2 = (torch::randn({dim, hidden}) / 8).requires_grad_();
    b2 = torch::randn({dim}).requires_grad_();
    residual = torch::randn(shape).requires_grad_();
  }
  std::vector<Tensor> leaves() const { return {x, w1, b1, w2, b2, residual}; }
  Tensor fused(double inner = 0, double outer = 0) const { return gelu_mlp(x, w1, b1, w2, b2, residual, inner, outer); }
  Tensor plain() const { return residual + torch::linear(torch::gelu(torch::linear(x, w1, b1)), w2, b2); }
};

std::vector<Tensor> gradients(const Tensor& y, const std::vector<Tensor>& leaves, const Tensor& dy) {
  return torch::autograd::grad({y}, leaves, {dy});
}

}  // namespace

TEST(GeluMlp, EqualsLibTorchsOperators) {
  torch::manual_seed(0);
  // Rows that fill no block, widths that fill no tile, and shapes without a kernel.
  for (const auto& [shape, hidden] : std::vector<std::pair<std::vector<int64_t>, int64_t>>{
           {{3, 41, 16}, 128}, {{1, 16}, 16}, {{7, 5, 32}, 48}, {{600, 64}, 208}, {{2, 9, 20}, 12}, {{4, 128}, 256}}) {
    const Mlp mlp(shape, hidden);
    const auto expected = mlp.plain(), got = mlp.fused();
    EXPECT_LT(relative_error(got, expected), 2e-6) << shape;
    const auto dy = torch::randn(shape);
    const auto want = gradients(expected, mlp.leaves(), dy), have = gradients(got, mlp.leaves(), dy);
    for (size_t i = 0; i < want.size(); ++i) EXPECT_LT(relative_error(have[i], want[i]), 3e-6) << shape << " " << i;
  }
}

TEST(GeluMlp, IsExactFarFromZero) {
  const auto z = torch::linspace(-12, 12, 16 * 512).view({512, 16}).requires_grad_();
  const auto one = torch::eye(16), zero = torch::zeros({16});
  const auto got = gelu_mlp(z, one, zero, one, zero), expected = torch::gelu(z.to(torch::kFloat64));
  EXPECT_LT((got - expected).abs().max().item<double>(), 1e-6);
  const auto slope = torch::autograd::grad({got.sum()}, {z})[0];
  const auto want = torch::autograd::grad({torch::gelu(z).sum()}, {z})[0];
  EXPECT_LT((slope - want).abs().max().item<double>(), 1e-6);
}

TEST(GeluMlp, DropsTheSharesThatItIsTold) {
  torch::manual_seed(1);
  // With identities for weights and large inputs, the output shows both masks: 0 where either dropped.
  const auto x = torch::full({4000, 16}, 20.0), one = torch::eye(16), zero = torch::zeros({16});
  const auto inner = gelu_mlp(x, one, zero, one, zero, {}, 0.3, 0),
             outer = gelu_mlp(x, one, zero, one, zero, {}, 0, 0.3);
  const auto both = gelu_mlp(x, one, zero, one, zero, {}, 0.3, 0.5);
  const auto share = [](const Tensor& y) { return (y == 0).to(torch::kFloat64).mean().item<double>(); };
  EXPECT_NEAR(share(inner), 0.3, 0.01);
  EXPECT_NEAR(share(outer), 0.3, 0.01);
  EXPECT_NEAR(share(both), 1 - 0.7 * 0.5, 0.01);
  EXPECT_NEAR(both.max().item<double>(), 20 / 0.35, 1e-3);
  EXPECT_NEAR(both.mean().item<double>(), 20, 0.4);
  EXPECT_FALSE(torch::equal(inner, outer));
  // Neighbours in a row and in a column know nothing of each other.
  const auto kept = (outer != 0).to(torch::kFloat64) - 0.7;
  EXPECT_NEAR((kept.slice(0, 1) * kept.slice(0, 0, -1)).mean().item<double>(), 0, 0.005);
  EXPECT_NEAR((kept.slice(1, 1) * kept.slice(1, 0, -1)).mean().item<double>(), 0, 0.005);
}

TEST(GeluMlp, ItsGradientIsThatOfTheSameMask) {
  torch::manual_seed(2);
  const Mlp mlp({50, 16}, 32);
  const auto dy = torch::randn({50, 16});
  const auto at = [&](const Mlp& m) {
    torch::manual_seed(7);
    return m.fused(0.4, 0.2);
  };
  const auto got = gradients(at(mlp), mlp.leaves(), dy);
  for (size_t i = 0; i < got.size(); ++i) {
    const auto direction = torch::randn_like(got[i]);
    const auto moved = [&](double by) {
      Mlp other = mlp;
      Tensor* leaves[] = {&other.x, &other.w1, &other.b1, &other.w2, &other.b2, &other.residual};
      *leaves[i] = (*leaves[i] + by * direction).detach();
      return (at(other).to(torch::kFloat64) * dy).sum().item<double>();
    };
    const auto expected = (moved(3e-3) - moved(-3e-3)) / 6e-3;
    EXPECT_NEAR((got[i] * direction).sum().item<double>(), expected, 2e-3 * (1 + std::abs(expected))) << i;
  }
}

TEST(GeluMlp, TheSameSeedGivesTheSameBits) {
  torch::manual_seed(3);
  const Mlp mlp({200, 5, 16}, 128);
  const auto run = [&] {
    torch::manual_seed(9);
    const auto y = mlp.fused(0.3, 0.3);
    auto all = gradients(y, mlp.leaves(), torch::ones_like(y));
    all.push_back(y);
    return all;
  };
  const auto first = run(), second = run();
  for (size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(torch::equal(first[i], second[i])) << i;
  EXPECT_FALSE(torch::equal(first.back(), mlp.fused(0.3, 0.3)));
}

TEST(AddDropout, AddsWhatItKeeps) {
  torch::manual_seed(4);
  const auto x = torch::rand({33, 7}).add_(1).requires_grad_(), residual = torch::randn({33, 7}).requires_grad_();
  const auto y = add_dropout(x, residual, 0.25), kept = y - residual;
  const auto share = (kept.abs() < 1e-6).to(torch::kFloat64).mean().item<double>();
  EXPECT_NEAR(share, 0.25, 0.1);
  EXPECT_LT(relative_error(kept, torch::where(kept.abs() < 1e-6, torch::zeros_like(x), x / 0.75)), 1e-6);
  const auto dy = torch::randn({33, 7});
  const auto grads = gradients(y, {x, residual}, dy);
  EXPECT_TRUE(torch::equal(grads[1], dy));
  EXPECT_LT(relative_error(grads[0], torch::where(kept.abs() < 1e-6, torch::zeros_like(x), dy / 0.75)), 1e-6);
  EXPECT_TRUE(torch::equal(add_dropout(x, residual, 0), x + residual));
  EXPECT_TRUE(torch::equal(add_dropout(x, {}, 0), x));
  torch::manual_seed(5);
  const auto alone = add_dropout(x, {}, 0.25);
  torch::manual_seed(5);
  EXPECT_LT(relative_error(add_dropout(x, residual, 0.25) - residual, alone), 1e-5);
}

// As under autocast: what a layer gives is bf16, what it is added to fp32. The masks are those of fp32.
TEST(AddDropout, TakesBf16) {
  torch::manual_seed(6);
  const auto exact = torch::rand({65, 48}).add_(1).to(torch::kBFloat16);
  const auto x = exact.clone().requires_grad_(), residual = torch::randn({65, 48}).requires_grad_();
  torch::manual_seed(7);
  const auto wide = add_dropout(exact.to(torch::kFloat32), {}, 0.5);  // times 2: no rounding
  const auto dy = torch::randn({65, 48}).to(torch::kBFloat16);
  const auto dx = torch::where(wide == 0, torch::zeros_like(dy), dy * 2);

  torch::manual_seed(7);
  const auto alone = add_dropout(x, {}, 0.5);
  EXPECT_EQ(alone.scalar_type(), torch::kBFloat16);
  EXPECT_TRUE(torch::equal(alone.to(torch::kFloat32), wide));
  EXPECT_TRUE(torch::equal(gradients(alone, {x}, dy)[0], dx));

  torch::manual_seed(7);
  const auto added = add_dropout(x, residual, 0.5);
  EXPECT_EQ(added.scalar_type(), torch::kFloat32);
  EXPECT_TRUE(torch::equal(added, residual + wide));
  const auto grads = gradients(added, {x, residual}, dy.to(torch::kFloat32));
  EXPECT_EQ(grads[0].scalar_type(), torch::kBFloat16);
  EXPECT_TRUE(torch::equal(grads[0], dx));
  EXPECT_TRUE(torch::equal(grads[1], dy.to(torch::kFloat32)));
}

TEST(AddDropout, RefusesWhatIsNoShare) {
  const Mlp mlp({5, 16}, 32);
  for (const auto share : {-0.5, 1.0, 1.5, std::nan("")}) {
    EXPECT_ERROR(add_dropout(torch::ones({8}), {}, share), "[dropout] drops a share from 0 to below 1, got");
    EXPECT_ERROR(gelu_mlp(torch::zeros({5, 16}), mlp.w1, mlp.b1, mlp.w2, mlp.b2, {}, 0, share), "[dropout] drops");
  }
}

TEST(GeluMlp, SaysWhatDoesNotFit) {
  const Mlp mlp({5, 16}, 32);
  EXPECT_ERROR(gelu_mlp(torch::zeros({5, 32}), mlp.w1, mlp.b1, mlp.w2, mlp.b2),
               "[gelu_mlp] x (5, 32), w1 (32, 16) and w2 (16, 32) do not fit each other");
}
