#include "hadal/ops/noise.h"

#include "tests/support/support.h"

using namespace hadal;

TEST(Noise, BelongsToItsSampleAlone) {
  const auto all = sample_noise(7, 0, 50, {3, 5});
  EXPECT_EQ(all.sizes(), (std::vector<int64_t>{50, 3, 5}));
  EXPECT_TRUE(torch::equal(all.slice(0, 20, 30), sample_noise(7, 20, 10, {3, 5})));
  EXPECT_TRUE(torch::equal(all.flatten(1), sample_noise(7, 0, 50, {15})));
  EXPECT_FALSE(torch::equal(all[0], all[1]));
  EXPECT_FALSE(torch::equal(all, sample_noise(8, 0, 50, {3, 5})));
  EXPECT_EQ(sample_noise(7, 3, 0, {4}).size(0), 0);
  EXPECT_ERROR(sample_noise(7, -1, 2, {4}), "counted from 0");
}

TEST(Noise, IsStandardNormal) {
  const auto x = sample_noise(1, 0, 10'000, {100}).to(torch::kFloat64);
  EXPECT_NEAR(x.mean().item<double>(), 0, 4e-3);
  EXPECT_NEAR(x.square().mean().item<double>(), 1, 6e-3);
  EXPECT_NEAR(x.pow(3).mean().item<double>(), 0, 0.02);
  EXPECT_NEAR(x.pow(4).mean().item<double>(), 3, 0.05);
  EXPECT_NEAR((x.slice(1, 0, 99) * x.slice(1, 1)).mean().item<double>(), 0, 4e-3);  // neighbours of a pair
  EXPECT_NEAR((x.slice(0, 0, 9'999) * x.slice(0, 1)).mean().item<double>(), 0, 4e-3);
}
