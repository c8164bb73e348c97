#include "hadal/data/vision/mix.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

struct Batch {
  Tensor pixels, labels = torch::tensor({0, 1, 2, 3, 0, 1}, torch::kInt64), targets;
};

/// Every picture has a level of its own: which pictures a pixel holds can be read off.
Batch batch() { return {torch::arange(1, 7, torch::kFloat32).view({6, 1, 1, 1}).expand({6, 3, 16, 16}).clone()}; }

void expect_shares(const Batch& b) {
  ASSERT_TRUE(b.targets.defined());
  EXPECT_EQ(b.targets.sizes(), (std::vector<int64_t>{6, 5}));
  EXPECT_EQ(b.targets.scalar_type(), torch::kFloat32);
  EXPECT_LT((b.targets.sum(1) - 1).abs().max().item<double>(), 1e-6);
  EXPECT_GE(b.targets.min().item<double>(), 0);
}

}  // namespace

TEST(Mix, MixupBlendsPicturesAndLabelsAlike) {
  int mixed = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    auto b = batch();
    Random random(seed);
    mix_batch({.mixup = 0.8}, b.pixels, b.labels, b.targets, 5, random);
    expect_shares(b);
    // One share for the batch, and a partner for each: found from the pixels, then checked on the targets.
    for (int64_t i = 0; i < 6; ++i) {
      ASSERT_EQ(b.pixels[i].min().item<float>(), b.pixels[i].max().item<float>());
      const auto level = b.pixels[i][0][0][0].item<double>();
      bool explained = false;
      for (int64_t j = 0; j < 6; ++j) {
        const auto own = static_cast<double>(i + 1), other = static_cast<double>(j + 1);
        const double share = i == j ? 1 : (level - other) / (own - other);
        auto target = torch::zeros({5});
        target[b.labels[i].item<int64_t>()] += share, target[b.labels[j].item<int64_t>()] += 1 - share;
        explained = explained || (target - b.targets[i]).abs().max().item<double>() < 1e-4;
      }
      EXPECT_TRUE(explained) << "picture " << i;
      mixed += std::abs(level - static_cast<double>(i + 1)) > 0.01;
    }
  }
  EXPECT_GT(mixed, 60);  // of 120
}

TEST(Mix, CutmixTargetsAreTheSharesOfPixels) {
  int cut = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    auto b = batch();
    Random random(seed);
    mix_batch({.cutmix = 1}, b.pixels, b.labels, b.targets, 5, random);
    expect_shares(b);
    auto expected = torch::zeros({6, 5});
    for (int64_t i = 0; i < 6; ++i) {
      for (int64_t j = 0; j < 6; ++j)
        expected[i][b.labels[j].item<int64_t>()] +=
            b.pixels[i][0].eq(static_cast<double>(j + 1)).to(torch::kFloat32).mean().item<float>();
      EXPECT_TRUE(b.pixels[i][0].equal(b.pixels[i][2]));
      cut += b.pixels[i].min().item<float>() != b.pixels[i].max().item<float>();
    }
    EXPECT_LT((expected - b.targets).abs().max().item<double>(), 1e-5);
  }
  EXPECT_GT(cut, 50);
}

TEST(Mix, CutmixBoxesLeaveTheirShare) {
  Random random(1);
  double left = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto box = choose_cutmix({200, 100}, 0.75, random);
    ASSERT_TRUE(box.left >= 0 && box.top >= 0 && box.left + box.width <= 100 && box.top + box.height <= 200);
    ASSERT_TRUE(box.width <= 50 && box.height <= 100);
    left += 1 - static_cast<double>(box.width * box.height) / 20000;
  }
  // A side of half the picture's, centred evenly, is cut to 7/16 on average on each axis.
  EXPECT_NEAR(left / 2000, 1 - 49.0 / 256, 0.01);
}

TEST(Mix, MixesAsOftenAsAskedAndTheSameEachTime) {
  int mixed = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    auto b = batch(), again = batch();
    b.targets = torch::ones({1});
    Random random(seed), same(seed);
    const AugmentConfig config{.mixup = 0.2, .cutmix = 1, .mix_probability = 0.3};
    mix_batch(config, b.pixels, b.labels, b.targets, 5, random);
    mix_batch(config, again.pixels, again.labels, again.targets, 5, same);
    mixed += b.targets.defined();
    ASSERT_EQ(b.targets.defined(), again.targets.defined());
    EXPECT_TRUE(b.pixels.equal(again.pixels));
    if (!b.targets.defined()) EXPECT_TRUE(b.pixels.equal(batch().pixels));
  }
  EXPECT_NEAR(mixed, 120, 35);
}

TEST(Mix, OffByDefaultAndClearAboutShapes) {
  auto b = batch();
  Random random(1);
  mix_batch({}, b.pixels, b.labels, b.targets, 5, random);
  EXPECT_FALSE(b.targets.defined());
  EXPECT_TRUE(b.pixels.equal(batch().pixels));
  EXPECT_ERROR(mix_batch({.mixup = 1}, b.pixels, torch::zeros({4}), b.targets, 5, random),
               "wants pixels (B, C, H, W) and labels (B), got [6, 3, 16, 16] and [4]");
}
