#include "hadal/data/sound/series_augment.h"

#include <cmath>
#include <set>

#include "tests/support/support.h"

using namespace hadal;

TEST(PlaceSeries, CentresToScoreAndVariesToTrain) {
  const auto x = torch::ones({2, 4});
  EXPECT_TRUE(
      torch::equal(place_series(x, 8, {}, nullptr)[0], torch::tensor({0.f, 0.f, 1.f, 1.f, 1.f, 1.f, 0.f, 0.f})));
  const auto ramp = torch::arange(8, torch::kFloat32).view({1, 8});
  EXPECT_TRUE(torch::equal(place_series(ramp, 4, {}, nullptr)[0], torch::tensor({2.f, 3.f, 4.f, 5.f})));
  Random any(1, {1});  // without augmentation training has what scoring has
  EXPECT_TRUE(torch::equal(place_series(x, 8, {}, &any), place_series(x, 8, {}, nullptr)));
  std::set<int64_t> begins, near;
  for (uint64_t i = 0; i < 100; ++i) {
    Random random(1, {i}), other(1, {i});
    begins.insert(place_series(x, 8, {.shift = 1}, &random)[0].argmax().item<int64_t>());
    near.insert(place_series(x, 8, {.shift = 0.5}, &other)[0].argmax().item<int64_t>());
  }
  EXPECT_EQ(begins, (std::set<int64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(near, (std::set<int64_t>{1, 2, 3}));
  const SeriesAugment vary{.shift = 1, .stretch = 0.3, .gain = 0.5, .mask_bands = 1, .mask_steps = 2};
  Random a(1, {1}), again(1, {1}), b(1, {2});
  const auto bands = ramp.expand({4, 8}).contiguous();
  const auto first = place_series(bands, 8, vary, &a);
  EXPECT_TRUE(torch::equal(first, place_series(bands, 8, vary, &again)));
  EXPECT_FALSE(torch::equal(first, place_series(bands, 8, vary, &b)));
}

TEST(PlaceSeries, BandsMoveByTheirFactor) {
  // A peak at band 20 of 64, in one step.
  auto x = torch::zeros({64, 1});
  x[20] = 1;
  x[63] = 0.25;
  std::set<int64_t> places;
  for (uint64_t i = 0; i < 200; ++i) {
    Random random(1, {i});
    const auto out = place_series(x, 1, {.warp = 0.1}, &random).select(1, 0);
    places.insert(out.argmax().item<int64_t>());
    EXPECT_LE(out[63].item<float>(), 0.25F) << "nothing comes from beyond the last band";
  }
  EXPECT_EQ(places, (std::set<int64_t>{18, 19, 20, 21, 22}));
}

TEST(PlaceSeries, NoiseIsOfItsDeviationAtMost) {
  const auto x = torch::zeros({40, 50});
  double most = 0, mean = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    Random random(1, {i});
    const auto deviation = place_series(x, 50, {.noise = 0.5}, &random).std().item<double>();
    most = std::max(most, deviation), mean += deviation / 100;
  }
  EXPECT_NEAR(most, 0.5, 0.04);
  EXPECT_NEAR(mean, 0.25, 0.04);
}

TEST(PlaceSeries, AFilterIsTheSameAtEveryStep) {
  const auto x = torch::zeros({41, 30});
  double square = 0;
  for (uint64_t i = 0; i < 200; ++i) {
    Random random(1, {i});
    const auto out = place_series(x, 30, {.filter = 0.5}, &random);
    EXPECT_TRUE(out.equal(out.slice(1, 0, 1).expand({41, 30})));
    const auto bend = out.diff(2, 0).abs().sum(1);  // straight but at the three points within
    EXPECT_LE((bend > 1e-3).sum().item<int64_t>(), 3);
    square += out[20][0].item<double>() * out[20][0].item<double>() / 200;
  }
  EXPECT_NEAR(std::sqrt(square), 0.5, 0.1);
}
