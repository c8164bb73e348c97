#include "hadal/ops/linear.h"

#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "hadal/ops/product.h"

#include "tests/support/support.h"

namespace hadal::test {
namespace {

struct Case {
  std::vector<int64_t> shape;  // of x; the last is the input width
  int64_t out;
  bool bias = true, on_x = true, on_weight = true, on_bias = true;
};

struct Result {
  Tensor y;
  std::vector<Tensor> gradients;
};

template <class Linear>
Result run(const Case& c, const Tensor& x0, const Tensor& w0, const Tensor& b0, const Linear& linear) {
  auto x = x0.detach().requires_grad_(c.on_x), weight = w0.clone().requires_grad_(c.on_weight);
  auto bias = c.bias ? b0.clone().requires_grad_(c.on_bias) : Tensor();
  Result result{linear(x, weight, bias), {}};
  if (!result.y.requires_grad()) return result;
  torch::manual_seed(9);
  result.y.backward(torch::randn_like(result.y));
  for (const auto& t : {x, weight, bias}) result.gradients.push_back(t.defined() ? t.grad() : Tensor());
  return result;
}

Tensor reference(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return at::linear(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
}

void compare(const Result& got, const Result& want, double tolerance) {
  EXPECT_EQ(got.y.scalar_type(), want.y.scalar_type());
  EXPECT_LE(relative_error(got.y, want.y), tolerance);
  ASSERT_EQ(got.gradients.size(), want.gradients.size());
  for (size_t i = 0; i < want.gradients.size(); ++i) {
    ASSERT_EQ(got.gradients[i].defined(), want.gradients[i].defined()) << "gradient " << i;
    if (!want.gradients[i].defined()) continue;
    EXPECT_EQ(got.gradients[i].scalar_type(), want.gradients[i].scalar_type());
    EXPECT_LE(relative_error(got.gradients[i], want.gradients[i]), tolerance) << "gradient " << i;
  }
}

void check(const Case& c, at::ScalarType type, double tolerance) {
  torch::manual_seed(1);
  const auto x = torch::randn(c.shape, type), w = torch::randn({c.out, c.shape.back()}, type),
             b = torch::randn({c.out}, type);
  compare(run(c, x, w, b, linear), run(c, x, w, b, reference), tolerance);
}

const std::vector<Case> kCases{
    {{96}, 80},
    {{130, 96}, 112},
    {{5, 41, 96}, 112},
    {{2, 3, 37, 96}, 112},
    {{130, 96}, 112, false},
    {{130, 96}, 112, true, false, true, true},
    {{130, 96}, 112, true, true, false, false},
    {{130, 96}, 112, true, false, false, true},
    {{130, 96}, 112, true, false, false, false},
    {{130, 96}, 112, false, true, false},
    {{4, 7}, 3},
    {{0, 96}, 112},
    {{3, 0, 96}, 112},
};

TEST(Linear, EqualsLibTorchInFp32) {
  for (const auto& c : kCases) {
    SCOPED_TRACE(fmt::format("{} -> {}", fmt::join(c.shape, "x"), c.out));
    check(c, at::kFloat, 2e-6);
  }
}

TEST(Linear, IsLibTorchsInDoubleAndBf16) {
  for (const auto& c : kCases) {
    check(c, at::kDouble, 0);
    check(c, at::kBFloat16, 0);
  }
}

TEST(Linear, TakesAnyStrides) {
  torch::manual_seed(2);
  const auto x = torch::randn({96, 260}).t().slice(0, 0, 260, 2), w = torch::randn({112, 200}).slice(1, 3, 99),
             b = torch::randn({224});
  for (const auto& weight : {w, torch::randn({96, 112}).t()}) {
    const Case c{{130, 96}, 112};
    auto strided = [](auto&& f) {
      return [f](const Tensor& x, const Tensor& weight, const Tensor& bias) { return f(x.view_as(x), weight, bias); };
    };
    compare(run(c, x, weight, b.slice(0, 0, 224, 2), strided(linear)),
            run(c, x, weight, b.slice(0, 0, 224, 2), strided(reference)), 2e-6);
  }
  // A weight that is a slice of a wider one, and a gradient that is not dense either.
  auto weight = w.detach().requires_grad_(), other = w.detach().requires_grad_();
  hadal::linear(x, weight).transpose(0, 1).slice(0, 5, 80).sum().backward();
  reference(x, other, {}).transpose(0, 1).slice(0, 5, 80).sum().backward();
  EXPECT_LE(relative_error(weight.grad(), other.grad()), 2e-6);
}

TEST(Linear, GivesTheGradientOfAGradient) {
  torch::manual_seed(3);
  const auto x0 = torch::randn({130, 96}), w0 = torch::randn({112, 96}) / 10;
  auto penalty = [&](auto&& linear) {
    auto x = x0.clone().requires_grad_(), w = w0.clone().requires_grad_();
    const auto first = torch::autograd::grad({linear(x, w, Tensor()).pow(2).sum()}, {x}, {}, true, true)[0];
    first.pow(2).sum().backward();
    return w.grad();
  };
  EXPECT_LE(relative_error(penalty(linear), penalty(reference)), 1e-5);
}

TEST(Linear, KeepsNoGraphWithoutGradients) {
  torch::NoGradGuard none;
  const auto w = torch::randn({112, 96}).requires_grad_();
  const auto x = torch::randn({130, 96});
  EXPECT_FALSE(hadal::linear(x, w).requires_grad());
  EXPECT_LE(relative_error(hadal::linear(x, w), at::linear(x, w)), 2e-6);
}

TEST(Linear, CastsUnderAutocast) {
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  const Case c{{130, 96}, 112};
  torch::manual_seed(4);
  const auto x = torch::randn(c.shape), w = torch::randn({112, 96}), b = torch::randn({112});
  const auto got = run(c, x, w, b, linear), want = run(c, x, w, b, reference);
  at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(at::kCPU, false);
  EXPECT_EQ(got.y.scalar_type(), at::kBFloat16);
  compare(got, want, 0);
}

TEST(Linear, RefusesWhatDoesNotFit) {
  EXPECT_ANY_THROW(hadal::linear(torch::randn({130, 96}), torch::randn({112, 95})));
  EXPECT_ANY_THROW(hadal::linear(torch::randn({130, 96}), torch::randn({112, 96}), torch::randn({111})));
}

TEST(Linear, SaysItsPath) {
  const bool onednn = has_fast_product(torch::zeros({1, 1}), torch::zeros({1, 1}));
  EXPECT_THAT(linear_path(), testing::HasSubstr(onednn ? "oneDNN through" : "LibTorch's own"));
}

}  // namespace
}  // namespace hadal::test
