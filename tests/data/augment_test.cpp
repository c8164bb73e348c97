#include "hadal/data/augment.h"

#include <set>

#include "tests/support/support.h"

using namespace hadal;
using hadal::test::relative_error;

namespace {

Tensor noise(int64_t height, int64_t width, int64_t channels, uint64_t seed = 1) {
  Random random(seed);
  auto image = torch::empty({height, width, channels}, torch::kUInt8);
  for (int64_t i = 0; i < image.numel(); ++i)
    image.mutable_data_ptr<uint8_t>()[i] = static_cast<uint8_t>(random.below(256));
  return image;
}

Tensor run(const ClassificationTransform& transform, const Tensor& image, uint64_t seed = 3) {
  auto out = torch::full({transform.channels(), transform.size(), transform.size()}, NAN);
  Random random(seed);
  transform(image, random, out.mutable_data_ptr<float>());
  return out;
}

/// Plain normalising: what the one-pass path must equal.
Tensor normalised(const Tensor& image, const AugmentConfig& config) {
  const auto channels = image.size(2);
  const auto mean = torch::tensor(config.mean).expand({channels}).view({-1, 1, 1});
  const auto std = torch::tensor(config.std).expand({channels}).view({-1, 1, 1});
  return ((image.permute({2, 0, 1}).to(torch::kFloat64) / 255 - mean) / std).to(torch::kFloat32);
}

const AugmentConfig kSmall{.size = 20, .mean = {0.3, 0.4, 0.5}, .std = {0.2, 0.3, 0.4}};

}  // namespace

TEST(Augment, EvaluationResizesCropsAndNormalises) {
  auto config = kSmall;
  config.resize = 24;
  config.hflip = config.vflip = config.erasing = 1;  // training only
  config.rotate = 90;
  const auto image = noise(61, 40, 3);
  const auto expected = normalised(center_crop(resize(image, 36, 24), 20, 20), config);
  EXPECT_LT(relative_error(run({config, 3, false}, image), expected), 1e-6);
  EXPECT_LT(relative_error(run({config, 3, false}, image, 99), expected), 1e-6);
}

TEST(Augment, PadsAndFlips) {
  auto config = kSmall;
  config.hflip = config.vflip = 1;
  const auto image = noise(20, 20, 3);
  EXPECT_LT(relative_error(run({config, 3, true}, image), normalised(image.flip({0, 1}), config)), 1e-6);
  config.pad = 4, config.vflip = 0;
  const auto padded = pad(image, 4, 4, 4, 4);
  std::set<int64_t> places;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const auto out = run({config, 3, true}, image, seed);
    int64_t found = -1;
    for (int64_t place = 0; place < 81; ++place)
      if (relative_error(out, normalised(crop(padded, {place % 9, place / 9, 20, 20}).flip(1), config)) < 1e-6)
        found = place;
    ASSERT_GE(found, 0);
    places.insert(found);
  }
  EXPECT_GT(places.size(), 70);  // of 81; all but surely 78 or so in 300 draws
}

TEST(Augment, WarpsInOnePassAsStepByStep) {
  auto config = kSmall;
  config.rotate = 30, config.translate = 0.1, config.scale = 0.2, config.shear = 10, config.hflip = 1;
  const auto image = noise(20, 20, 3);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    random.chance(1);
    const auto chosen = choose_affine({20, 20}, 30, 0.1, 0.2, 10, random);
    const auto expected = normalised(affine(hflip(image), chosen, Interpolation::bilinear), config);
    const auto off = (run({config, 3, true}, image, seed) - expected).abs().max().item<double>();
    EXPECT_LT(off, 0.5 / 255 / 0.2 + 1e-4);  // half a level: the one pass does not round
  }
}
