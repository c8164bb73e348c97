#include "hadal/ops/rle.h"

#include <nlohmann/json.hpp>

#include "hadal/core/random.h"
#include "hadal/io/file.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

using Numbers = std::vector<double>;
using Json = nlohmann::json;

Json golden_masks() { return Json::parse(read_file(test::golden("coco/masks.json"))); }

int64_t height(const Json& mask) { return mask["size"][0]; }
int64_t width(const Json& mask) { return mask["size"][1]; }

std::array<double, 4> box(const Json& list) { return {list[0], list[1], list[2], list[3]}; }

}  // namespace

TEST(Rle, PolygonsAreAsPycocotoolsRasterisesThem) {
  for (const auto& mask : golden_masks()["polygons"]) {
    const auto rle = rle_from_polygon(mask["xy"].get<Numbers>(), height(mask), width(mask));
    EXPECT_EQ(rle_to_string(rle), mask["counts"].get<std::string>()) << mask;
    EXPECT_EQ(rle_area(rle), mask["area"].get<int64_t>()) << mask;
    EXPECT_EQ(rle_box(rle), box(mask["box"])) << mask;
    EXPECT_EQ(rle_from_string(mask["counts"].get<std::string>(), height(mask), width(mask)), rle);
    EXPECT_EQ(rle_decode(rle).sum().item<int64_t>(), mask["area"].get<int64_t>());
    EXPECT_EQ(rle_to_string(rle_encode(rle_decode(rle))), mask["counts"].get<std::string>()) << mask;
  }
}

TEST(Rle, MergesAndComparesAsPycocotools) {
  for (const auto& pair : golden_masks()["pairs"]) {
    const auto polygons = pair["xy"].get<std::vector<Numbers>>();
    const auto h = height(pair), w = width(pair);
    EXPECT_EQ(rle_to_string(rle_from_polygons(polygons, h, w)), pair["union"].get<std::string>()) << pair;
    const Rle both[] = {rle_from_polygon(polygons[0], h, w), rle_from_polygons({polygons[1], polygons[2]}, h, w)};
    EXPECT_EQ(rle_to_string(rle_merge(both, true)), pair["both"].get<std::string>()) << pair;
    EXPECT_EQ(rle_iou(both[0], both[1]), pair["iou"].get<double>()) << pair;
    EXPECT_EQ(rle_iou(both[0], both[1], true), pair["crowd"].get<double>()) << pair;
    EXPECT_EQ(rle_to_string(rle_from_box(box(pair["box"]), h, w)), pair["box_counts"].get<std::string>()) << pair;
  }
}

TEST(Rle, EncodesPictures) {
  for (const auto& bitmap : golden_masks()["bitmaps"]) {
    auto pixels = torch::zeros({height(bitmap), width(bitmap)}, torch::kUInt8);
    for (int64_t y = 0; y < height(bitmap); ++y)
      for (int64_t x = 0; x < width(bitmap); ++x)
        pixels[y][x] = bitmap["rows"][static_cast<size_t>(y)].get<std::string>()[static_cast<size_t>(x)] == '1';
    for (const auto& mask : {pixels, pixels.to(torch::kBool), pixels.to(torch::kFloat32) * .25}) {
      const auto rle = rle_encode(mask);
      EXPECT_EQ(rle_to_string(rle), bitmap["counts"].get<std::string>()) << bitmap;
      EXPECT_EQ(rle_box(rle), box(bitmap["box"])) << bitmap;
      EXPECT_TRUE(torch::equal(rle_decode(rle), pixels));
    }
    EXPECT_EQ(rle_encode_all(torch::stack({pixels, 1 - pixels})),
              (std::vector<Rle>{rle_encode(pixels), rle_encode(1 - pixels)}));
  }
  EXPECT_TRUE(rle_encode_all(torch::zeros({0, 1, 4, 4})).empty());
}

TEST(Rle, PolygonsOfAMaskGiveItBack) {
  Random random(3);
  for (int i = 0; i < 200; ++i) {
    const auto h = random.between(1, 14), w = random.between(1, 14);
    auto pixels = torch::zeros({h, w}, torch::kUInt8);
    for (int64_t y = 0; y < h; ++y)
      for (int64_t x = 0; x < w; ++x) pixels[y][x] = random.uniform() < .4;
    const auto polygons = rle_to_polygons(rle_encode(pixels));
    // Holes are filled: what cannot be reached from outside over background, also past corners, is mask.
    auto free = torch::zeros({h + 2, w + 2}, torch::kUInt8);
    free[0].fill_(1);
    const auto blocked = torch::constant_pad_nd(pixels, {1, 1, 1, 1});
    for (int step = 0; step < 200; ++step) {
      const auto wider = F::max_pool2d(free.to(torch::kFloat32).unsqueeze(0).unsqueeze(0),
                                       F::MaxPool2dFuncOptions(3).stride(1).padding(1));
      free = (wider[0][0] > 0).to(torch::kUInt8) * (1 - blocked);
    }
    const auto filled = (1 - free).slice(0, 1, h + 1).slice(1, 1, w + 1);
    EXPECT_TRUE(torch::equal(rle_decode(rle_from_polygons(polygons, h, w)), filled.contiguous())) << pixels << filled;
  }
  EXPECT_TRUE(rle_to_polygons(rle_encode(torch::zeros({4, 4}))).empty());
  EXPECT_EQ(rle_to_polygons(rle_encode(torch::ones({2, 3}))), (std::vector<Numbers>{{0, 0, 3, 0, 3, 2, 0, 2}}));
}

TEST(Rle, AHugePolygonCostsNoMoreThanThePicture) {
  const Numbers far = {-9e7, -9e7, 9e7, -8e7, 8.5e7, 9e7, -7e7, 6e7};
  EXPECT_EQ(rle_area(rle_from_polygon(far, 50, 70)), 50 * 70);
}

TEST(Rle, RefusesWhatIsNoMask) {
  const Numbers square = {0, 0, 4, 0, 4, 4};
  EXPECT_ERROR(rle_from_polygon(std::span(square).first(4), 9, 9), "a polygon needs at least three corners, got 2");
  EXPECT_ERROR(rle_from_polygon(std::span(square).first(5), 9, 9), "a polygon is x, y pairs, got 5 numbers");
  EXPECT_ERROR(rle_from_polygon(Numbers{0, 0, NAN, 0, 4, 4}, 9, 9, "a.json"), "a.json: a polygon has a corner at nan");
  EXPECT_ERROR(rle_from_polygon(Numbers{0, 0, 1e9, 0, 4, 4}, 9, 9), "a polygon has a corner at 1000000000");
  EXPECT_ERROR(rle_from_polygon(square, 0, 9), "a mask of 9 x 0 pixels cannot be");
  EXPECT_ERROR(rle_from_polygon(square, 1 << 20, 1 << 20), "fewer than 2^31 pixels");
  EXPECT_ERROR(rle_from_counts({3, 98}, 10, 10),
               "the runs of the mask cover 101 pixels, but the picture has 10 x 10 = 100");
  EXPECT_ERROR(rle_from_counts({3, 4294967295}, 10, 10), "cover 4294967298 pixels");
  EXPECT_ERROR(rle_from_counts({}, 10, 10), "cover 0 pixels");
  EXPECT_ERROR(rle_from_string("", 10, 10), "cover 0 pixels");
  EXPECT_ERROR(rle_from_string("P", 10, 10), "the mask's text is cut off in a number");
  EXPECT_ERROR(rle_from_string("3 4", 10, 10), "the mask's text is damaged at letter 1");
  EXPECT_ERROR(rle_from_string("ooooooooo0", 10, 10), "the mask's text is damaged");
  EXPECT_ERROR(rle_from_string("PPPPPP1", 10, 10), "a run of");
  EXPECT_ERROR(rle_from_string("O", 10, 10), "a run of -1 pixels");
  EXPECT_ERROR(rle_decode({2, 2, {9}}), "longer than its picture");
  EXPECT_ERROR(rle_merge({}), "there are no masks to merge");
  const Rle two[] = {rle_encode(torch::ones({2, 2})), rle_encode(torch::ones({2, 3}))};
  EXPECT_ERROR(rle_merge(two), "masks of one size can be merged, got 2 x 2 and 3 x 2");
  EXPECT_ERROR(rle_iou(two[0], two[1]), "cannot be compared");
  EXPECT_ERROR(rle_encode(torch::ones({2, 2, 2})), "a mask is (H, W), got 3 dimensions");
}
