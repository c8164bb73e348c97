#include "hadal/data/vision/transforms.h"

#include <algorithm>
#include <map>

#include "hadal/data/vision/randaugment.h"
#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

const NamedTensors& goldens() {
  static const auto all = read_safetensors(test::golden("transforms.safetensors"));
  return all;
}
const Tensor& golden(const std::string& name) { return goldens().at(name); }

/// Every value within `levels` of torchvision's, but for a `share` of them (pixels on a tie of nearest warping).
void expect_golden(const Tensor& ours, const std::string& name, int levels, double share = 0) {
  const auto theirs = golden(name);
  ASSERT_EQ(ours.sizes(), theirs.sizes()) << name;
  ASSERT_EQ(ours.scalar_type(), torch::kUInt8) << name;
  EXPECT_TRUE(ours.is_contiguous()) << name;
  const auto off = (ours.to(torch::kInt32) - theirs.to(torch::kInt32)).abs();
  EXPECT_LE(off.gt(levels).to(torch::kFloat64).mean().item<double>(), share)
      << name << ": off by up to " << off.max().item<int>();
}

}  // namespace

TEST(Transforms, ResizingIsTorchvisions) {
  const auto image = golden("image");
  const std::pair<std::string, Interpolation> kinds[] = {
      {"nearest", Interpolation::nearest}, {"bilinear", Interpolation::bilinear}, {"bicubic", Interpolation::bicubic}};
  for (const auto& [name, kind] : kinds)
    for (const auto& [height, width] : {std::pair{15, 21}, std::pair{40, 30}, std::pair{47, 60}})
      expect_golden(resize(image, height, width, kind), fmt::format("resize.{}.{}x{}", name, height, width),
                    static_cast<int>(kind));  // one level for bilinear, two for bicubic
  expect_golden(resize_shorter(image, 23), "resize_shorter", 1);
  expect_golden(resized_crop(image, {9, 4, 31, 27}, 16, 18), "resized_crop", 1);
  EXPECT_TRUE(resize(image, 40, 52).equal(image));
}

TEST(Transforms, ResizesOneChannelAsThree) {
  const auto image = golden("image");
  const auto whole = resize(image, 15, 21), green = resize(image.slice(2, 1, 2).contiguous(), 15, 21);
  EXPECT_LE((whole.slice(2, 1, 2).to(torch::kInt32) - green.to(torch::kInt32)).abs().max().item<int>(), 1);
}

TEST(Transforms, ResamplingAPartIsResizingThenCropping) {
  const auto image = golden("image");
  const auto whole = resize(image, 20, 26);
  const auto part = resample(image, {8, 6, 20, 24}, {0, 0, 52, 40}, 12, 10);
  EXPECT_TRUE(part.equal(crop(whole, {4, 3, 10, 12})));
}

TEST(Transforms, CroppingAndPaddingAreTorchvisions) {
  const auto image = golden("image");
  expect_golden(center_crop(image, 17, 22), "center_crop", 0);
  expect_golden(center_crop(image, 45, 22), "center_crop.beyond", 0);
  expect_golden(crop(image, {40, -3, 18, 20}), "crop", 0);
  expect_golden(pad(image, 1, 2, 3, 4, 77), "pad", 0);
  EXPECT_EQ(crop(image, {90, 90, 3, 3}, 7).to(torch::kInt32).sum().item<int>(), 27 * 7);
}

TEST(Transforms, AffineIsTorchvisions) {
  const auto image = golden("image");
  const Affine a{.angle = 23, .translate_x = 3, .translate_y = -2, .scale = 1.2, .shear_x = 8, .shear_y = -5};
  expect_golden(affine(image, a, Interpolation::nearest, 99), "affine.nearest", 0, 0.002);
  expect_golden(affine(image, a, Interpolation::bilinear), "affine.bilinear", 1);
  const Affine about{.angle = -40, .scale = 0.7, .center = std::array{10.0, 5.0}};
  expect_golden(affine(image, about, Interpolation::bilinear), "affine.center", 1);
}

TEST(Transforms, ColorsAreTorchvisions) {
  const auto image = golden("part");
  for (const auto* factor : {"0.0", "0.4", "1.7"}) {
    const auto f = std::stod(factor);
    expect_golden(adjust_brightness(image, f), fmt::format("brightness.{}", factor), 1);
    expect_golden(adjust_contrast(image, f), fmt::format("contrast.{}", factor), 1);
    expect_golden(adjust_saturation(image, f), fmt::format("saturation.{}", factor), 1);
    expect_golden(adjust_sharpness(image, f), fmt::format("sharpness.{}", factor), 1);
  }
  expect_golden(adjust_hue(image, -0.4), "hue.-0.4", 1);
  expect_golden(adjust_hue(image, 0.1), "hue.0.1", 1);
  expect_golden(grayscale(image), "grayscale", 1);
  expect_golden(posterize(image, 3), "posterize", 0);
  expect_golden(solarize(image, 130), "solarize", 0);
  expect_golden(autocontrast(image), "autocontrast", 1);
  expect_golden(equalize(image), "equalize", 0);
  expect_golden(invert(image), "invert", 0);
  const auto grey = image.slice(2, 0, 1);
  expect_golden(adjust_contrast(grey, 1.7), "contrast.grey", 1);
  expect_golden(adjust_sharpness(grey, 1.7), "sharpness.grey", 1);
}

TEST(Transforms, FlatPicturesKeepTheirLevels) {
  const auto flat = torch::full({5, 6, 3}, 90, torch::kUInt8);
  for (const auto& same : {autocontrast(flat), equalize(flat), adjust_contrast(flat, 2), adjust_sharpness(flat, 2),
                           adjust_hue(flat, 0.3), adjust_saturation(flat, 2), to_channels(flat, 3)})
    EXPECT_LE((same.to(torch::kInt32) - 90).abs().max().item<int>(), 1);
  EXPECT_EQ(to_channels(to_channels(flat, 1), 3).sizes(), flat.sizes());
}

TEST(RandAugment, OperationsAndMagnitudesAreTorchvisions) {
  const auto image = golden("part");
  const auto size = size_of(image);
  ASSERT_EQ(randaugment_names().size(), 14);
  for (const auto& name : randaugment_names()) {
    const auto bins = golden("magnitudes." + name);
    for (int64_t bin = 0; bin < 31; ++bin)
      EXPECT_NEAR(randaugment_magnitude(name, bin, size), bins[bin].item<double>(), 1e-4) << name << " at " << bin;
    const auto magnitude = randaugment_magnitude(name, 13, size);
    expect_golden(apply_randaugment(image, {name, magnitude}), "randaugment." + name, 1, 0.01);
    const auto negative = fmt::format("randaugment.{}.negative", name);
    if (goldens().find(negative)) expect_golden(apply_randaugment(image, {name, -magnitude}), negative, 1, 0.01);
  }
}

TEST(RandAugment, DrawsEveryOperationWithBothSigns) {
  Random random(5), again(5);
  std::map<std::string, std::pair<int, int>> seen;
  for (const auto& op : choose_randaugment(4000, 9, {20, 20}, random))
    ++(op.magnitude < 0 ? seen[op.name].second : seen[op.name].first);
  EXPECT_EQ(seen.size(), 14);
  for (const auto& [name, counts] : seen) {
    EXPECT_GT(counts.first + counts.second, 200) << name;  // 286 on average
    const bool has_sign = name.starts_with("Shear") || name.starts_with("Translate") || name == "Rotate" ||
                          name == "Brightness" || name == "Color" || name == "Contrast" || name == "Sharpness";
    EXPECT_EQ(counts.second > 90, has_sign) << name;
    if (!has_sign) EXPECT_EQ(counts.second, 0) << name;
  }
  const auto image = golden("part");
  Random first(11);
  Random second(11);
  EXPECT_TRUE(randaugment(image, 3, 9, first).equal(randaugment(image, 3, 9, second)));
}

TEST(Transforms, ResizedCropsCoverTheirRange) {
  Random random(1);
  double least = 1, most = 0, flattest = 9, steepest = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto box = choose_resized_crop({90, 120}, 0.2, 0.9, 0.75, 4.0 / 3, random);
    ASSERT_TRUE(box.left >= 0 && box.top >= 0 && box.left + box.width <= 120 && box.top + box.height <= 90);
    const auto w = static_cast<double>(box.width), h = static_cast<double>(box.height);
    least = std::min(least, w * h / (90 * 120)), most = std::max(most, w * h / (90 * 120));
    flattest = std::min(flattest, w / h), steepest = std::max(steepest, w / h);
  }
  EXPECT_NEAR(least, 0.2, 0.02);
  EXPECT_NEAR(most, 0.9, 0.03);
  EXPECT_NEAR(flattest, 0.75, 0.03);
  EXPECT_NEAR(steepest, 4.0 / 3, 0.05);
  // No box of half the area with these ratios fits a ribbon: the largest one in its centre is taken.
  const auto box = choose_resized_crop({10, 400}, 0.5, 1, 0.75, 4.0 / 3, random);
  EXPECT_EQ(box.width, 13);
  EXPECT_EQ(box.height, 10);
  EXPECT_EQ(box.left, 193);
}

TEST(Transforms, ErasedRectanglesLieWithin) {
  Random random(2);
  for (int i = 0; i < 1000; ++i) {
    const auto box = choose_erasing({30, 40}, random);
    if (!box) continue;
    ASSERT_TRUE(box->left >= 0 && box->top >= 0 && box->left + box->width <= 40 && box->top + box->height <= 30);
    EXPECT_NEAR(static_cast<double>(box->width * box->height) / 1200, 0.175, 0.175);
  }
  EXPECT_FALSE(choose_erasing({1, 1}, random));
}

TEST(Transforms, AffineMatricesUndoEachOther) {
  Random random(4);
  for (int i = 0; i < 50; ++i) {
    const auto a = choose_affine({30, 40}, 90, 0.3, 0.5, 20, random);
    const auto m = affine_matrix(a, {30, 40}), back = inverse_affine_matrix(a, {30, 40});
    const double x = m[0] * 3 + m[1] * 7 + m[2], y = m[3] * 3 + m[4] * 7 + m[5];
    EXPECT_NEAR(back[0] * x + back[1] * y + back[2], 3, 1e-9);
    EXPECT_NEAR(back[3] * x + back[4] * y + back[5], 7, 1e-9);
  }
}

TEST(Transforms, MistakesSayWhatWasExpected) {
  const auto image = golden("image");
  EXPECT_ERROR(resize(image.to(torch::kFloat32), 3, 3), "[resize] wants a uint8 picture (H, W, C) in main memory, got");
  EXPECT_ERROR(hflip(Tensor()), "got no tensor");
  EXPECT_ERROR(vflip(image[0]), "got Byte [52, 3]");
  EXPECT_ERROR(resize(image, 0, 3), "the new size must be at least 1 x 1, got 0 x 3");
  EXPECT_ERROR(crop(image, {0, 0, 0, 3}), "the box must be at least 1 x 1, got 3 x 0");
  EXPECT_ERROR(pad(image, 0, -1, 0, 0), "[pad] wants at least 0 on each side, got 0, -1, 0, 0");
  EXPECT_ERROR(affine(image, {.scale = 0}), "scale must be above 0, got 0");
  EXPECT_ERROR(affine(image, {.shear_x = 90}), "shear must lie between -90 and 90");
  EXPECT_ERROR(affine(image, {}, Interpolation::bicubic), "[affine] is nearest or bilinear");
  EXPECT_ERROR(adjust_contrast(image, -1), "the factor must be at least 0, got -1");
  EXPECT_ERROR(adjust_hue(image, 0.6), "from -0.5 to 0.5, got 0.6");
  EXPECT_ERROR(posterize(image, 9), "keeps 0 to 8 bits, got 9");
  EXPECT_ERROR(invert(image.slice(2, 0, 2)), "wants 1 or 3 channels, got 2");
  EXPECT_ERROR(resample(image, {0, 0, 5, 5}, {50, 0, 5, 5}, 3, 3), "not within the picture's 52 x 40");
  EXPECT_ERROR(apply_randaugment(image, {"Sheer", 0}), "unknown operation \"Sheer\"; nearest: ShearX");
  EXPECT_ERROR(randaugment_magnitude("ShearX", 31, {9, 9}), "lies from 0 to 30, got 31");
}
