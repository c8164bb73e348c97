#include "hadal/nn/fpn.h"

#include <gtest/gtest.h>

#include "hadal/core/precision.h"

namespace hadal {
namespace {

TEST(Fpn, LevelsOfOnePixelHaveGradientsInBf16) {
  torch::manual_seed(1);
  Fpn fpn(FpnShape{.in = {64}, .out = 64, .top = FpnShape::Top::from_network});
  const std::vector<Tensor> levels = {torch::randn({2, 64, 2, 2})};
  const auto gradients = [&](const std::string& precision) {
    fpn->zero_grad();
    Tensor sum;
    {
      const Autocast guard(torch::kCPU, precision);
      sum = fpn(levels).back().to(torch::kFloat32).square().sum();
    }
    sum.backward();
    std::vector<Tensor> out;
    for (const auto& p : fpn->named_parameters())
      if (p.key().starts_with("extra_blocks")) out.push_back(p.value().grad().clone());
    return out;
  };
  const auto exact = gradients("fp32");
  for (int i = 0; i < 5; ++i) {
    const auto got = gradients("bf16");
    for (size_t k = 0; k < got.size(); ++k)
      EXPECT_LT((got[k] - exact[k]).norm().item<float>(), 0.1f * exact[k].norm().item<float>());
  }
}

}  // namespace
}  // namespace hadal
