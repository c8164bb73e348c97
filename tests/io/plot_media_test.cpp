#include "hadal/io/plot.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {
int64_t count(const Tensor& picture, Colour colour) {
  const auto wanted = torch::tensor({int(colour.red), int(colour.green), int(colour.blue)}, torch::kUInt8);
  return (picture == wanted).all(2).sum().item<int64_t>();
}
}  // namespace

TEST(Plot, DrawsLinesBandsAndWords) {
  const Colour red{200, 0, 0}, blue{0, 0, 200};
  Plot plot{"a title", {}, {{"up", {{0, 1}, {10, 5}}, red}}, {{5, "now"}}};
  const auto line = draw_plot(plot, 400, 200);
  EXPECT_EQ(line.sizes(), (std::vector<int64_t>{200, 400, 3}));
  EXPECT_GT(count(line, red), 20);
  plot.bands = {{"band", {5, 10}, {2, 3}, {4, 7}, blue}};
  const auto both = draw_plot(plot, 400, 200);
  EXPECT_LT(count(both, {255, 255, 255}), count(line, {255, 255, 255}) - 1000);
  plot.title.clear();
  EXPECT_FALSE(torch::equal(draw_plot(plot, 400, 200), both));
}

TEST(Plot, LeavesGapsAndTakesAFlatLine) {
  const Colour red{200, 0, 0};
  const auto reddish = [](const Tensor& picture) {  // smooth edges too
    const auto levels = picture.to(torch::kInt64);
    return (levels.select(2, 0) - levels.select(2, 1) > 40).sum().item<int64_t>();
  };
  const auto whole = draw_plot({"", {}, {{"a", {{0, 1}, {1, 1}, {2, 1}, {3, 1}}, red}}, {}});
  const auto gap = draw_plot({"", {}, {{"a", {{0, 1}, {1, 1}, {2, NAN}, {3, 1}}, red}}, {}});
  EXPECT_GT(reddish(whole), reddish(gap) + 100);
  EXPECT_ERROR(draw_plot({"empty", {}, {{"a", {{0, NAN}}, red}}, {}}), "[plot] \"empty\" has no point to draw");
  EXPECT_ERROR(draw_plot({"", {}, {}, {}}, 10, 10), "[plot] 10 x 10 is too small");
}
