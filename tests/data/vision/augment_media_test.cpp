// Pictures as files: what is decoded only in part must equal what is decoded whole.
#include "hadal/data/vision/augment.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

/// Smooth, so that decoding at a reduced scale changes little.
Tensor drawing(int64_t height, int64_t width) {
  const auto y = torch::arange(height).view({-1, 1, 1}), x = torch::arange(width).view({1, -1, 1});
  const auto c = torch::tensor({1.0, 0.5, -0.8}).view({1, 1, 3});
  return (128 + 60 * torch::sin(x / 23.0 + c) + 50 * torch::cos(y / 31.0 * c)).to(torch::kUInt8).contiguous();
}

template <class... Picture>
Tensor run(const ClassificationTransform& transform, uint64_t seed, const Picture&... picture) {
  auto out = torch::full({transform.channels(), transform.size(), transform.size()}, NAN);
  Random random(seed);
  transform(picture..., random, out.template mutable_data_ptr<float>());
  return out;
}

const AugmentConfig kLevels{.size = 64, .mean = {0}, .std = {1.0 / 255}};

}  // namespace

TEST(AugmentFiles, EvaluationEqualsDecodingWhole) {
  auto config = kLevels;
  config.resize = 80;
  for (const auto& [height, width] :
       {std::pair{200, 310}, std::pair{331, 170}, std::pair{80, 100}, std::pair{50, 61}}) {
    const auto image = drawing(height, width);
    for (const auto& bytes : {encode_jpeg(image), encode_png(image)})
      for (const int64_t channels : {3, 1}) {
        const ClassificationTransform transform(config, channels, false);
        const auto whole = run(transform, 1, decode_image(bytes, "whole", {.channels = channels}));
        const auto part = run(transform, 1, std::string_view(bytes), std::string_view("part"));
        EXPECT_LE((whole - part).abs().max().item<double>(), 1e-3) << height << " x " << width << " x " << channels;
        auto smooth = config;
        smooth.interpolation = "bicubic";
        const ClassificationTransform bicubic(smooth, channels, false);
        const auto off = run(bicubic, 1, decode_image(bytes, "whole", {.channels = channels})) -
                         run(bicubic, 1, std::string_view(bytes), std::string_view("part"));
        EXPECT_LE(off.abs().max().item<double>(), 1e-3) << height << " x " << width << " x " << channels;
      }
  }
}

TEST(AugmentFiles, TrainingCropsAreThoseOfTheWholePicture) {
  const auto image = drawing(300, 420);
  auto config = kLevels;
  config.crop_scale = 0.1, config.hflip = 0.5;
  const ClassificationTransform transform(config, 3, true);
  const auto jpeg = encode_jpeg(image, 98), png = encode_png(image);
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const auto whole = run(transform, seed, image);
    EXPECT_LE((whole - run(transform, seed, std::string_view(png), std::string_view("png"))).abs().max().item<double>(),
              1e-3);
    const auto off = (whole - run(transform, seed, std::string_view(jpeg), std::string_view("jpeg"))).abs();
    EXPECT_LE(off.mean().item<double>(), 1.5);
    EXPECT_LE(off.max().item<double>(), 8);
  }
}

TEST(AugmentFiles, TrainingWithoutRandomCropsToo) {
  const auto image = drawing(300, 420);
  auto config = kLevels;
  for (const int64_t pad : {0, 4}) {
    config.pad = pad;
    const ClassificationTransform transform(config, 3, true);
    const auto jpeg = encode_jpeg(image, 98);
    for (uint64_t seed = 0; seed < 10; ++seed) {
      const auto off =
          (run(transform, seed, image) - run(transform, seed, std::string_view(jpeg), std::string_view("j")));
      EXPECT_LE(off.abs().mean().item<double>(), 1.5);
      EXPECT_LE(off.abs().max().item<double>(), 8);
    }
  }
}

TEST(AugmentFiles, ErrorsNameTheFile) {
  const auto bytes = encode_jpeg(drawing(90, 90));
  const ClassificationTransform transform(kLevels, 3, true);
  EXPECT_ERROR(run(transform, 1, std::string_view(bytes).substr(0, 700), std::string_view("cats/1.jpg")), "cats/1.jpg");
  EXPECT_ERROR(run(transform, 1, std::string_view("no picture"), std::string_view("cats/2.jpg")), "cats/2.jpg");
}
