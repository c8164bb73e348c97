// The fused group norm against LibTorch's operators in doubles: any layout, width and mean.
#include "hadal/ops/group_norm.h"

#include <cmath>

#include "tests/support/support.h"

using namespace hadal;
using hadal::test::relative_error;

namespace {

constexpr double kEps = 1e-5;

struct Case {
  int64_t channels, groups, height, width;
  bool own = false, moved = false, innermost = true;
  double mean = 0;
};

struct Tensors {
  Tensor x, gain, bias, added;

  Tensors(const Case& of, torch::Dtype type) {
    torch::manual_seed(of.channels + of.height);
    const auto draw = [&](const std::vector<int64_t>& sizes, double offset) {
      return (torch::randn(sizes) + offset).to(type).requires_grad_();
    };
    const std::vector<int64_t> numbers = of.own ? std::vector<int64_t>{3, of.channels} : std::vector{of.channels};
    x = draw({3, of.channels, of.height, of.width}, of.mean);
    if (of.innermost) x = x.detach().contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
    gain = draw(numbers, 1);
    bias = draw(numbers, 0);
    if (of.moved) added = draw({3, of.channels}, 0);
  }

  std::vector<Tensor> all() const {
    return added.defined() ? std::vector{x, gain, bias, added} : std::vector{x, gain, bias};
  }
};

Tensor by_formula(const Tensors& of, int64_t groups) {
  const auto each = [](const Tensor& numbers) {
    return numbers.dim() == 1 ? numbers.view({1, -1, 1, 1}) : numbers.unsqueeze(-1).unsqueeze(-1);
  };
  const auto x = of.added.defined() ? of.x + each(of.added) : of.x;
  const auto parts = x.reshape({x.size(0), groups, -1});
  const auto centred = parts - parts.mean(2, true);
  const auto normed = (centred / (centred.square().mean(2, true) + kEps).sqrt()).reshape(x.sizes());
  const auto z = normed * each(of.gain) + each(of.bias);
  return z * z.sigmoid();
}

}  // namespace

TEST(GroupNormSilu, IsTheFormulaWithItsGradients) {
  for (const auto& of : std::vector<Case>{{64, 8, 9, 7},
                                          {64, 8, 8, 8, true},
                                          {112, 7, 5, 5, false, true},
                                          {48, 3, 6, 6, true, true},
                                          {16, 16, 4, 4, false, true},
                                          {32, 1, 1, 1, false, true},
                                          {256, 32, 16, 16, false, true, true, 50},
                                          {64, 8, 8, 8, false, true, false},
                                          {10, 5, 6, 6, true, true},
                                          {10, 5, 6, 6, false, true}}) {
    const auto what = fmt::format("{} channels, {} groups, {} x {}", of.channels, of.groups, of.height, of.width);
    const Tensors ours(of, torch::kFloat32), reference(of, torch::kFloat64);
    const auto y = group_norm_silu(ours.x, of.groups, ours.gain, ours.bias, kEps, ours.added);
    const auto expected = by_formula(reference, of.groups);
    EXPECT_LT(relative_error(y, expected), of.mean > 0 ? 2e-5 : 2e-6) << what;
    EXPECT_EQ(y.is_contiguous(at::MemoryFormat::ChannelsLast), of.innermost) << what;
    torch::manual_seed(5);
    const auto towards = torch::randn(y.sizes());
    (y * towards).sum().backward();
    (expected * towards).sum().backward();
    for (size_t i = 0; i < ours.all().size(); ++i)
      // A single pixel of one group, moved, changes nothing but rounding.
      EXPECT_LT((ours.all()[i].grad() - reference.all()[i].grad()).abs().max().item<double>(),
                1e-5 * (reference.all()[i].grad().abs().max().item<double>() + 1) * (of.mean > 0 ? 5 : 1))
          << what << ", input " << i;
  }
}

TEST(GroupNormSilu, TakesHalfPrecision) {
  const Case of{64, 8, 9, 7, false, true};
  Tensors ours(of, torch::kFloat32), reference(of, torch::kFloat32);
  const auto x = ours.x.detach().to(torch::kBFloat16).requires_grad_();
  reference.x = x.detach().to(torch::kFloat32).requires_grad_();
  const auto y = group_norm_silu(x, of.groups, ours.gain, ours.bias, kEps, ours.added.to(torch::kBFloat16));
  EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
  const auto expected = by_formula(reference, of.groups);
  EXPECT_LT(relative_error(y, expected), 1e-2);
  y.sum().backward();
  expected.sum().backward();
  EXPECT_LT(relative_error(x.grad(), reference.x.grad()), 2e-2);
  EXPECT_LT(relative_error(ours.gain.grad(), reference.gain.grad()), 1e-2);
  EXPECT_LT(relative_error(ours.added.grad(), reference.added.grad()), 3e-2);
}

TEST(GroupNormSilu, OfASampleDoesNotDependOnTheOthers) {
  const Tensors all({64, 8, 8, 8, false, true}, torch::kFloat32);
  const torch::NoGradGuard no_grad;
  const auto together = group_norm_silu(all.x, 8, all.gain, all.bias, kEps, all.added);
  const auto alone = group_norm_silu(all.x.slice(0, 1, 2), 8, all.gain, all.bias, kEps, all.added.slice(0, 1, 2));
  EXPECT_TRUE(torch::equal(together.slice(0, 1, 2), alone));
}

TEST(GroupNormSilu, TakesHugeValues) {
  const auto x =
      torch::tensor({-1e30F, 1e30F, 3.0F, 4.0F}).repeat({1, 16, 4, 1}).contiguous(at::MemoryFormat::ChannelsLast);
  const auto gain = torch::full({16}, 1e4F), bias = torch::zeros({16});
  const auto y = group_norm_silu(x * 1e-20, 4, gain, bias, kEps);
  EXPECT_TRUE(y.isfinite().all().item<bool>());
  EXPECT_NEAR(y[0][0][0][0].item<double>(), 0, 1e-30);  // silu of -14142
  EXPECT_NEAR(y[0][0][0][1].item<double>(), 1e4 * std::sqrt(2), 1);
}

TEST(GroupNormSilu, SaysWhatItWants) {
  const auto x = torch::zeros({2, 16, 4, 4}), one = torch::ones({16});
  EXPECT_ERROR(group_norm_silu(x, 3, one, one, kEps), "16 channels do not make 3 groups");
  EXPECT_ERROR(group_norm_silu(x, 4, torch::ones({15}), one, kEps), "gain] wants (16), got (15)");
  EXPECT_ERROR(group_norm_silu(x, 4, one, torch::ones({2, 16}), kEps), "bias] wants (16), got (2, 16)");
  EXPECT_ERROR(group_norm_silu(x, 4, one, one, kEps, torch::ones({16})), "added] wants (2, 16), got (16)");
  EXPECT_ERROR(group_norm_silu(x[0], 4, one, one, kEps), "wants (N, C, H, W), got (16, 4, 4)");
}
