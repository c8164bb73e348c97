#include <cmath>

#include "hadal/io/draw.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

Tensor blank(int64_t height, int64_t width, int64_t channels = 3) {
  return torch::full({height, width, channels}, 128, torch::kUInt8);
}

Tensor is_colour(const Tensor& image, Colour colour) {
  return (image == torch::tensor({colour.red, colour.green, colour.blue}, torch::kUInt8)).all(2);
}

std::vector<BoxDrawing> one(const BoxDrawing& box) { return {box}; }

}  // namespace

TEST(Draw, ColoursOfClassesDiffer) {
  for (int64_t i = 0; i < 20; ++i)
    for (int64_t j = 0; j < i; ++j) {
      const auto a = class_colour(i), b = class_colour(j);
      EXPECT_GT(std::abs(a.red - b.red) + std::abs(a.green - b.green) + std::abs(a.blue - b.blue), 20) << i << " " << j;
    }
}

TEST(Draw, BoxesLieWhereTheyShould) {
  auto image = blank(200, 300);
  draw_boxes(image, one({50, 40, 150, 120, {255, 0, 0}, ""}));
  const auto red = is_colour(image, {255, 0, 0}).nonzero();
  EXPECT_NEAR(std::get<0>(red.min(0))[0].item<int64_t>(), 40, 1);
  EXPECT_NEAR(std::get<0>(red.min(0))[1].item<int64_t>(), 50, 1);
  EXPECT_NEAR(std::get<0>(red.max(0))[0].item<int64_t>(), 120, 1);
  EXPECT_NEAR(std::get<0>(red.max(0))[1].item<int64_t>(), 150, 1);
  EXPECT_TRUE((image[80][100] == 128).all().item<bool>());
}

TEST(Draw, LabelsStayWithinPicturesOfAnySize) {
  for (const auto& [height, width] : {std::pair{200, 300}, {1, 1}, {7, 500}, {2000, 1500}})
    for (const double x : {-1e30, -5.0, 0.0, 140.0, 5000.0, double(NAN)}) {
      auto image = blank(height, width);
      draw_boxes(image, one({x, x / 2, x + 60, x + 60, {0, 90, 200}, "person 0.87"}));
      if (height > 100) EXPECT_GT(is_colour(image, {0, 90, 200}).sum().item<int64_t>(), 300) << height << " " << x;
    }
}

TEST(Draw, LabelsHideNothingElse) {
  // A crowd: boxes of 40 x 30, a third of their labels' width between them.
  std::vector<BoxDrawing> crowd;
  for (int i = 0; i < 30; ++i) {
    const double x = 20 + 55 * (i % 6), y = 60 + 60 * (i / 6);
    crowd.push_back({x, y, x + 40, y + 30, class_colour(i), ""});
  }
  auto labelled = crowd;
  for (auto& box : labelled) box.label = "nucleus 99 %";
  auto plain = blank(400, 400), image = blank(400, 400);
  draw_boxes(plain, crowd);
  draw_boxes(image, labelled);
  int shown = 0;
  for (size_t i = 0; i < crowd.size(); ++i) {
    const auto& b = crowd[i];
    const auto inner = [&](const Tensor& from) { return from.slice(0, b.y1, b.y2 + 1).slice(1, b.x1, b.x2 + 1); };
    const auto changed = (inner(plain) != inner(image)).any(2).sum().item<int64_t>();
    EXPECT_LE(changed, 41 * 31 / 4) << i;
    shown += is_colour(image, b.colour).sum().item<int64_t>() > is_colour(plain, b.colour).sum().item<int64_t>() + 200;
  }
  EXPECT_GE(shown, 10);
  EXPECT_LT(shown, 30);
}

TEST(Draw, CaptionsKeepThePictureAndGrowWithTheirText) {
  const auto image = torch::randint(0, 256, {32, 32, 1}, torch::kUInt8);
  const auto little = with_caption(image, "cat 0.98", {20, 120, 20});
  EXPECT_EQ(little.size(1), 192);
  EXPECT_TRUE(
      torch::equal(little.narrow(0, 0, 192).slice(0, 2, 192, 6).slice(1, 2, 192, 6), image.expand({32, 32, 3})));
  const auto strip = little.narrow(0, 192, little.size(0) - 192);
  EXPECT_GT(is_colour(strip, {20, 120, 20}).to(torch::kFloat32).mean().item<float>(), 0.4);
  EXPECT_GT((strip > 170).all(2).sum().item<int64_t>(), 100) << "white letters on the dark bar";
  EXPECT_GT(with_caption(image, "a much longer text that says what was seen here", {20, 120, 20}).size(0),
            little.size(0));
  const auto large = with_caption(blank(1000, 2000), "x", {0, 0, 0});
  EXPECT_EQ(large.size(1), 2000);
  EXPECT_GT(large.size(0) - 1000, little.size(0) - 192) << "text grows with the picture";
}

TEST(Draw, TextBecomesWhatTheFontKnows) {
  EXPECT_EQ(drawable("d\xC3\xA9j\xC3\xA0 vu\n"), "deja vu ");
  EXPECT_EQ(drawable("\xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x99\x82"), "?? ?");
  EXPECT_EQ(drawable("caf\xE9!"), "caf?!");
}

TEST(Draw, GridsShowEveryPicture) {
  std::vector<GridCell> cells;
  for (int64_t i = 0; i < 5; ++i)
    cells.push_back({torch::full({20 + 30 * i, 80, i % 2 ? 3 : 1}, 40 * (i + 1), torch::kUInt8),
                     "d\xC3\xA9j\xC3\xA0 vu " + std::to_string(i), class_colour(i)});
  const auto grid = picture_grid(cells, 64);
  EXPECT_EQ(grid.size(1), 3 * 68 + 4);
  for (int64_t i = 0; i < 5; ++i) {
    const auto grey = static_cast<uint8_t>(40 * (i + 1));
    EXPECT_GT(is_colour(grid, {grey, grey, grey}).sum().item<int64_t>(), 64 * 15) << i;
    EXPECT_GT(is_colour(grid, class_colour(i)).sum().item<int64_t>(), 200) << i;
  }
  EXPECT_EQ(picture_grid(cells, 64, 1).size(1), 64 + 8);
  EXPECT_ERROR(picture_grid({}), "no picture to show");
  EXPECT_ERROR(picture_grid({{torch::zeros({4, 4, 3}), "", {}}}),
               "a picture is uint8 (H, W, 1 or 3), got Float 4 x 4 x 3");
}
