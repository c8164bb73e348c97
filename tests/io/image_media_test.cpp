#include "hadal/io/file.h"
#include "hadal/io/image.h"
#include "hadal/io/safetensors.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

int64_t worst(const Tensor& a, const Tensor& b) {
  if (a.sizes() != b.sizes()) return 1000;
  return (a.to(torch::kInt32) - b.to(torch::kInt32)).abs().max().item<int64_t>();
}

std::string picture(const std::string& name) { return read_file(test::golden("images/" + name)); }

/// A JPEG of smooth colours and noise, in the chroma layout of the golden file it is not: libjpeg's usual 4:2:0.
Tensor scene(int64_t height, int64_t width) {
  torch::manual_seed(1);
  const auto y = torch::linspace(0, 255, height).view({-1, 1, 1}), x = torch::linspace(0, 255, width).view({1, -1, 1});
  const auto base = torch::cat({x.expand({height, width, 1}), y.expand({height, width, 1}), (x + y) / 2}, 2);
  return (base + 20 * torch::randn({height, width, 3})).clamp(0, 255).to(torch::kUInt8);
}

Tensor inner(const ImageRegion& region) {
  return region.image.narrow(0, int64_t(region.top), int64_t(region.height))
      .narrow(1, int64_t(region.left), int64_t(region.width));
}

}  // namespace

TEST(Image, DecodesEveryKindAsPillowDoes) {
  const auto expected = read_safetensors(test::golden("images_decoded.safetensors"));
  ASSERT_GT(expected.size(), 35u);
  for (const auto& [name, pixels] : expected.entries) {
    const bool lossy = name.ends_with(".jpg") || name == "lossy.webp";
    const auto decoded = decode_image(picture(name), name);
    EXPECT_LE(worst(decoded, pixels), lossy ? 2 : 0) << name;
    EXPECT_TRUE(decoded.is_contiguous()) << name;
    const auto info = probe_image(picture(name), name);
    EXPECT_EQ(info.height, pixels.size(0)) << name;
    EXPECT_EQ(info.width, pixels.size(1)) << name;
    const auto grey = decode_image(picture(name), name, {.channels = 1});
    const auto luma = (pixels.to(torch::kFloat64) * torch::tensor({0.299, 0.587, 0.114}, torch::kFloat64)).sum(2, true);
    // libjpeg's luma is not clipped to what RGB can show, hence a mean for JPEG.
    if (lossy)
      EXPECT_LE((grey.to(torch::kFloat64) - luma).abs().mean().item<double>(), 1) << name;
    else
      EXPECT_LE(worst(grey, luma.round()), 1) << name;
  }
}

TEST(Image, RegionsEqualTheWholePicture) {
  for (const auto* name : {"420.jpg", "422.jpg", "444.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "turn1.jpg",
                           "turn2.jpg", "turn3.jpg", "turn4.jpg", "turn5.jpg", "turn6.jpg", "turn7.jpg", "turn8.jpg",
                           "rgb.png", "turn6.png", "turn6.webp"}) {
    const auto bytes = picture(name);
    const auto whole = decode_image(bytes, name);
    const auto height = whole.size(0), width = whole.size(1);
    for (const auto& box :
         {PixelBox{0, 0, width, height}, PixelBox{5, 3, 7, 9}, PixelBox{width - 1, height - 1, 1, 1},
          PixelBox{0, 8, width, 1}, PixelBox{9, 0, 1, height}, PixelBox{2, 4, width - 3, height - 5}}) {
      const auto region = decode_region(bytes, name, box);
      ASSERT_EQ(region.width, box.width);
      const auto cut = whole.narrow(0, box.top, box.height).narrow(1, box.left, box.width);
      EXPECT_EQ(worst(inner(region), cut), 0) << name << " " << box.left << " " << box.top;
    }
  }
  const auto large = encode_jpeg(scene(300, 400), 80);
  const auto whole = decode_image(large, "large");
  for (int64_t i = 0; i < 40; ++i) {
    const PixelBox box{i * 7, i * 5, 1 + i * 3, 1 + i * 2};
    const auto cut = whole.narrow(0, box.top, box.height).narrow(1, box.left, box.width);
    EXPECT_EQ(worst(inner(decode_region(large, "large", box)), cut), 0) << i;
  }
}

TEST(Image, RegionsAtAReducedScaleLieWhereTheySay) {
  const int64_t height = 320, width = 480;
  const auto ramp = torch::stack({torch::arange(width).expand({height, width}) / 2.0,
                                  torch::arange(height).view({-1, 1}).expand({height, width}) / 2.0,
                                  torch::full({height, width}, 90.0)},
                                 2)
                        .to(torch::kUInt8);
  const auto bytes = encode_jpeg(ramp, 98);
  for (const auto& [size, scale] :
       std::vector<std::pair<int64_t, double>>{{200, 1.0}, {100, 0.5}, {50, 0.25}, {20, 0.125}}) {
    const PixelBox box{101, 57, 307, 203};
    const auto region = decode_region(bytes, "ramp", box, size, size);
    EXPECT_DOUBLE_EQ(region.width, 307 * scale);
    EXPECT_DOUBLE_EQ(region.height, 203 * scale);
    EXPECT_GE(region.height, size);
    EXPECT_GE(region.left, 0);
    EXPECT_LE(region.top + region.height, region.image.size(0) + 1e-9);
    EXPECT_LE(region.left + region.width, region.image.size(1) + 1e-9);
    // The colour at a pixel's middle tells which place of the picture it is.
    const auto x = int64_t(region.left + region.width / 2), y = int64_t(region.top + region.height / 2);
    const auto at = region.image[y][x].to(torch::kFloat64);
    EXPECT_NEAR(at[0].item<double>() * 2, box.left + (x + 0.5 - region.left) / scale, 4) << scale;
    EXPECT_NEAR(at[1].item<double>() * 2, box.top + (y + 0.5 - region.top) / scale, 4) << scale;
  }
}

TEST(Image, WritesWhatItReads) {
  for (const int64_t channels : {1, 3}) {
    const auto image = scene(33, 47).narrow(2, 0, channels);
    EXPECT_TRUE(torch::equal(decode_image(encode_png(image), "png", {.channels = channels}), image));
    const auto smooth = torch::full({16, 16, channels}, 77, torch::kUInt8);
    EXPECT_LE(worst(decode_image(encode_jpeg(smooth, 95), "jpg", {.channels = channels}), smooth), 2);
  }
  EXPECT_LT(encode_jpeg(scene(64, 64), 30).size(), encode_jpeg(scene(64, 64), 90).size());
  test::TemporaryFolder folder;
  write_image(folder / "a.PNG", scene(5, 7));
  EXPECT_TRUE(torch::equal(read_image(folder / "a.PNG"), scene(5, 7)));
  const auto one = torch::full({1, 1, 3}, 9, torch::kUInt8);
  EXPECT_TRUE(torch::equal(decode_image(encode_png(one), "one"), one));
  EXPECT_LE(worst(decode_image(encode_jpeg(one), "one"), one), 2);
  // Content decides, not the name.
  write_file(folder / "lies.jpg", encode_png(one));
  EXPECT_TRUE(torch::equal(read_image(folder / "lies.jpg"), one));
}

TEST(Image, CutOffFilesAreErrors) {
  for (const auto* name : {"420.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "rgb.png", "interlaced.png",
                           "lossless.webp", "lossy.webp", "rgb.bmp", "rle8.bmp", "palette.bmp"}) {
    const auto bytes = picture(name);
    for (const double share : {0.1, 0.5, 0.9, 0.97})
      EXPECT_ERROR(decode_image(bytes.substr(0, size_t(double(bytes.size()) * share)), name), name);
  }
  const auto bytes = picture("420.jpg");
  EXPECT_ERROR(probe_image(bytes.substr(0, 100), "cut.jpg"), "cut.jpg: cannot decode this JPEG: Premature end");
  EXPECT_ERROR(decode_image(bytes.substr(0, 900), "cut.jpg"), "cut.jpg: cannot decode this JPEG: Premature end");
  // The top of the picture is there, the file is not.
  EXPECT_ERROR(decode_region(bytes.substr(0, bytes.size() - 60), "cut.jpg", {0, 0, 4, 4}), "cut.jpg: cannot decode");
}

// Some writers leave what only progressive files need in the scan's header at zero; every reader takes it.
TEST(Image, ABaselineScanNeedNotSayThatItIsWhole) {
  auto bytes = picture("420.jpg");
  const auto scan = bytes.find("\xFF\xDA");
  ASSERT_NE(scan, std::string::npos);
  const auto end = scan + 2 + static_cast<unsigned char>(bytes[scan + 3]);
  for (auto at = end - 3; at < end; ++at) bytes[at] = '\0';
  EXPECT_TRUE(torch::equal(decode_image(bytes, "zeros.jpg"), decode_image(picture("420.jpg"), "420.jpg")));
}

TEST(Image, MistakesNameTheFileAndTheReason) {
  EXPECT_ERROR(decode_image("", "none.jpg"), "none.jpg: the file is empty");
  EXPECT_ERROR(decode_image("GIF89a......", "x.jpg"),
               "x.jpg: pictures are JPEG, PNG, WebP or BMP; this looks like GIF");
  EXPECT_ERROR(decode_image("<!DOCTYPE html>", "x.jpg"), "looks like HTML");
  auto corrupt = picture("420.jpg");
  for (size_t i = corrupt.size() - 300; i < corrupt.size() - 280; ++i) corrupt[i] = '\x37';
  corrupt[corrupt.size() - 279] = '\xFF', corrupt[corrupt.size() - 278] = '\xD9';
  EXPECT_ERROR(decode_image(corrupt, "corrupt.jpg"), "corrupt.jpg: cannot decode this JPEG");
  auto flipped = picture("rgb.png");
  flipped[flipped.size() / 2] ^= 0x10;
  EXPECT_ERROR(decode_image(flipped, "flipped.png"), "flipped.png: cannot decode this PNG: ");
  EXPECT_ERROR(decode_image(picture("rgb.png"), "p", {.channels = 2}), "channels are 1 (grey) or 3 (RGB), got 2");
  EXPECT_ERROR(decode_region(picture("rgb.png"), "p", {20, 0, 20, 5}), "is not within the picture's 31 x 25");
  EXPECT_ERROR(encode_png(torch::zeros({4, 4, 3})), "a picture is uint8 (H, W, 1 or 3), got Float 4 x 4 x 3");
  EXPECT_ERROR(write_image("x.gif", scene(2, 2)), "x.gif: pictures are written as .png, .jpg or .jpeg");
}

TEST(Image, NoMemoryIsTakenForAPngChunkThatIsNotThere) {
  auto bytes = picture("turn6.png");
  const auto chunk = bytes.find("eXIf");
  ASSERT_NE(chunk, std::string::npos);
  bytes[chunk - 4] = '\x79';  // 2 GB
  EXPECT_ERROR(decode_image(bytes, "liar.png"), "liar.png: cannot decode this PNG: the file ends early");
}

TEST(Image, HugeSizesAreRefusedBeforeMemoryIsTaken) {
  const auto with = [](std::string bytes, size_t at, std::string_view patch) {
    return bytes.replace(at, patch.size(), patch);
  };
  using namespace std::string_view_literals;
  const auto jpeg = picture("420.jpg");
  const auto frame = jpeg.find("\xFF\xC0"sv);
  EXPECT_ERROR(decode_image(with(jpeg, frame + 5, "\xFF\xDC\xFF\xDC"sv), "bomb.jpg"),
               "bomb.jpg: 65500 x 65500 pixels are more than the limit of 268435456");
  EXPECT_ERROR(decode_image(with(picture("rgb.bmp"), 18, "\xFF\xFF\xFF\x7F\xFF\xFF\xFF\x7F"sv), "bomb.bmp"),
               "more than the limit");
  EXPECT_ERROR(decode_image(picture("rgb.png"), "p", {.max_pixels = 700}),
               "31 x 25 pixels are more than the limit of 700");
  EXPECT_ERROR(decode_image(picture("lossy.webp"), "w", {.max_pixels = 700}), "more than the limit of 700");
  EXPECT_ERROR(probe_image(picture("420.jpg"), "j", {.max_pixels = 700}), "more than the limit of 700");
}
