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

TEST(Noise, OfAStepIsAnotherOneEachTime) {
  const auto third = step_noise(7, 3, 0, 20, {40, 40});
  EXPECT_TRUE(torch::equal(third.slice(0, 5, 8), step_noise(7, 3, 5, 3, {40, 40})));
  const auto correlation = [&](const Tensor& other) { return (third * other).mean().item<double>(); };
  EXPECT_NEAR(correlation(third), 1, 0.05);
  EXPECT_NEAR(correlation(step_noise(7, 4, 0, 20, {40, 40})), 0, 0.03);
  EXPECT_NEAR(correlation(step_noise(8, 3, 0, 20, {40, 40})), 0, 0.03);
  EXPECT_NEAR(correlation(step_noise(7, 3, 1, 20, {40, 40})), 0, 0.03);
  EXPECT_NEAR(correlation(sample_noise(7, 0, 20, {40, 40})), 0, 0.03);
  EXPECT_ERROR(step_noise(7, 0, -1, 2, {4}), "counted from 0");
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

TEST(Bits, FallAsOftenAsAskedAndFollowTheirIndex) {
  const auto p = torch::linspace(0, 1, 11).repeat({3000, 1});
  std::vector<int64_t> index(3000);
  for (size_t i = 0; i < index.size(); ++i) index[i] = 7 * static_cast<int64_t>(i);
  const auto bits = draw_bits(p, 3, index);
  EXPECT_LT((bits.mean(0) - p[0]).abs().max().item<double>(), 0.04);
  EXPECT_EQ(bits.select(1, 0).max().item<float>(), 0);
  EXPECT_EQ(bits.select(1, 10).min().item<float>(), 1);
  EXPECT_TRUE(((bits == 0) | (bits == 1)).all().item<bool>());
  EXPECT_TRUE(torch::equal(draw_bits(p.slice(0, 0, 2), 3, {70, 7}), torch::stack({bits[10], bits[1]})));
  EXPECT_FALSE(torch::equal(bits, draw_bits(p, 4, index)));
  EXPECT_ERROR(draw_bits(p, 3, {1, 2}), "3000 rows want as many indices, got 2");
}
