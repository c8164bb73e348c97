#include "hadal/data/vision/augment.h"

#include <cmath>
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

TEST(Augment, ResizesBicubicWhereAsked) {
  auto config = kSmall;
  config.resize = 24, config.interpolation = "bicubic";
  const auto image = noise(61, 40, 3);
  const auto expected = normalised(center_crop(resize(image, 36, 24, Interpolation::bicubic), 20, 20), config);
  EXPECT_LT(relative_error(run({config, 3, false}, image), expected), 1e-6);
  EXPECT_ERROR(read_config(config, Table{{"interpolation", "bicubik"}}), "bicubic");
}

TEST(Augment, SquashesWhereAsked) {
  auto config = kSmall;
  config.squash = true;
  const auto image = noise(61, 40, 3);
  for (const bool train : {false, true})
    EXPECT_LT(relative_error(run({config, 3, train}, image), normalised(resize(image, 20, 20), config)), 1e-6);
  config.resize = 24;
  const auto cut = normalised(center_crop(resize(image, 24, 24), 20, 20), config);
  EXPECT_LT(relative_error(run({config, 3, false}, image), cut), 1e-6);
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

TEST(Augment, ResizedCropsCoverThePictureAndStayWithinIt) {
  auto config = kSmall;
  config.crop_scale = 0.1;
  // Levels rise by 2 a column: the least and the largest of a crop say where it lies and how wide it is.
  const auto image = (torch::arange(100) * 2).to(torch::kUInt8).view({1, 100, 1}).expand({80, 100, 3}).contiguous();
  double least = 255, most = 0, narrowest = 255;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const auto levels = run({config, 3, true}, image, seed)[0] * 0.2 * 255 + 0.3 * 255;
    const auto low = levels.min().item<double>(), high = levels.max().item<double>();
    least = std::min(least, low), most = std::max(most, high), narrowest = std::min(narrowest, high - low);
    EXPECT_GE(low, -0.01);
    EXPECT_LE(high, 198.01);
  }
  EXPECT_LT(least, 3);
  EXPECT_GT(most, 195);
  EXPECT_NEAR(narrowest, 2 * std::sqrt(0.1 * 8000 * 0.75), 8);
}

TEST(Augment, ColorsChangeOnlyInTraining) {
  auto config = kSmall;
  config.brightness = config.contrast = config.saturation = 0.5, config.hue = 0.1;
  const auto image = noise(20, 20, 3);
  const auto plain = normalised(image, config);
  EXPECT_LT(relative_error(run({config, 3, false}, image), plain), 1e-6);
  EXPECT_GT(relative_error(run({config, 3, true}, image), plain), 1e-2);
  EXPECT_TRUE(run({config, 3, true}, image, 5).equal(run({config, 3, true}, image, 5)));
  EXPECT_FALSE(run({config, 3, true}, image, 5).equal(run({config, 3, true}, image, 6)));
  config = kSmall;
  config.grayscale = 1;
  config.mean = config.std = {0.5};
  const auto grey = run({config, 3, true}, image);
  EXPECT_TRUE(grey[0].equal(grey[1]) && grey[0].equal(grey[2]));
  config = kSmall;
  config.randaugment_ops = 2;
  int changed = 0;
  for (uint64_t seed = 0; seed < 40; ++seed)
    changed += relative_error(run({config, 3, true}, image, seed), plain) > 1e-3;
  EXPECT_GT(changed, 30);
}

TEST(Augment, ErasesRectanglesToTheMean) {
  auto config = kSmall;
  config.erasing = 1;
  const auto image = noise(20, 20, 3) / 2 + 127;  // no level is the mean
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const auto erased = run({config, 3, true}, image.to(torch::kUInt8), seed).eq(0).all(0);
    const auto at = erased.nonzero();
    ASSERT_GT(at.size(0), 0);
    const auto sides = at.amax(0) - at.amin(0) + 1;
    EXPECT_EQ(sides.prod().item<int64_t>(), at.size(0)) << "a full rectangle";
    EXPECT_LE(at.size(0), 400 * 0.36);
  }
}

TEST(Augment, GreyAndColorMeet) {
  const auto grey = noise(20, 20, 1), color = noise(20, 20, 3);
  AugmentConfig config{.size = 20};
  const auto three = run({config, 3, true}, grey);
  EXPECT_NEAR(three[0][4][7].item<double>(), (grey[4][7][0].item<int>() / 255.0 - 0.485) / 0.229, 1e-5);
  EXPECT_NEAR(three[2][4][7].item<double>(), (grey[4][7][0].item<int>() / 255.0 - 0.406) / 0.225, 1e-5);
  const auto one = run({config, 1, true}, color);
  EXPECT_NEAR(one[0][4][7].item<double>(), (grayscale(color)[4][7][0].item<int>() / 255.0 - 0.5) / 0.5, 1e-5);
  config.rotate = 20, config.pad = 2;
  EXPECT_TRUE(run({config, 1, true}, grey).isfinite().all().item<bool>());
}

TEST(Augment, MistakesSayWhatWouldBeRight) {
  EXPECT_ERROR(ClassificationTransform({}, 3, true), "size is not set");
  EXPECT_ERROR(ClassificationTransform({.size = 8}, 4, true), "channels are 1 or 3, got 4");
  EXPECT_ERROR(ClassificationTransform({.size = 8, .mean = {1, 0.5}}, 3, true), "mean wants a value for each channel");
  EXPECT_ERROR(ClassificationTransform({.size = 8, .std = {1, 2, 3}}, 1, true),
               "std has 3 values, but the pictures have 1 channels");
  EXPECT_ERROR(ClassificationTransform({.size = 8, .resize = 7}, 3, true), "resize (7) must be at least size (8)");
  EXPECT_ERROR(run({{.size = 8}, 3, true}, torch::zeros({8, 8, 3})), "wants a uint8 picture");
  EXPECT_ERROR(run({{.size = 8}, 3, true}, torch::zeros({8, 8, 2}, torch::kUInt8)), "wants 1 or 3 channels, got 2");
  AugmentConfig config;
  EXPECT_ERROR(read_config(config, Table{{"hflip", 2.0}}), "hflip wants a number from 0 to 1");
  EXPECT_ERROR(read_config(config, Table{{"erasng", 0.5}}), "unknown setting erasng; nearest: erasing");
}
