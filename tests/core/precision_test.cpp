#include "hadal/core/precision.h"

#include <chrono>

#include "tests/support/support.h"

namespace hadal {
namespace {

/// Seconds for a product under autocast, the best of some.
double product_seconds(const std::string& precision) {
  const torch::NoGradGuard no_grad;
  const Autocast autocast(torch::kCPU, precision);
  const auto a = torch::randn({512, 512}), b = torch::randn({512, 512});
  auto best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    torch::mm(a, b);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

// In bf16 without the arithmetic a product takes a hundred times as long.
TEST(Precision, AutoIsNeverMuchSlowerThanFp32) {
  const auto picked = pick_precision("auto", torch::kCPU);
  EXPECT_EQ(picked, computes_bf16(torch::kCPU) ? "bf16" : "fp32");
  EXPECT_LT(product_seconds(picked), 4 * product_seconds("fp32")) << picked;
}

TEST(Precision, WhatIsAskedForStays) {
  EXPECT_EQ(pick_precision("bf16", torch::kCPU), "bf16");
  EXPECT_EQ(pick_precision("fp32", torch::kCPU), "fp32");
  EXPECT_ERROR(pick_precision("fp16", torch::kCPU), "wants a GPU");
}

}  // namespace
}  // namespace hadal
