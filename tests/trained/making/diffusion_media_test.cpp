// Diffusion that begins at a picture: what is kept, what is made anew.
#include "hadal/io/image.h"
#include "hadal/trained/making/diffusion_maker.h"

#include "tests/support/support.h"

namespace hadal {
namespace {

class FromAPicture : public testing::Test {
 protected:
  FromAPicture() {
    auto picture = torch::zeros({16, 16, 3}, torch::kUInt8);
    picture.slice(0, 4, 12).fill_(255);
    auto left = torch::zeros({16, 16, 3}, torch::kUInt8);
    left.slice(1, 0, 8).fill_(255);
    write_image(folder_ / "picture.png", picture);
    write_image(folder_ / "left.png", left);
    write_image(folder_ / "small.png", picture.slice(0, 0, 8).contiguous());
    const Use use;
    maker_ = std::make_unique<DiffusionMaker>(
        DiffusionMakerConfig{
            .model = {"unet", {{"image", 16}, {"widths", List{8, 8}}, {"head_dim", 8}, {"groups", 2}}}},
        Table{}, use);
  }
  Tensor made(Table options) {
    options.set("n", int64_t{2});
    options.set("steps", int64_t{8});
    options.set("sampler", "euler");
    return maker_->samples(maker_->making(options));
  }
  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  Tensor picture() const {
    return read_image(folder_ / "picture.png", {.channels = 1}).permute({2, 0, 1}).to(torch::kFloat32) / 127.5 - 1;
  }

  test::TemporaryFolder folder_;
  std::unique_ptr<DiffusionMaker> maker_;
};

TEST_F(FromAPicture, NoStrengthLeavesItAndMoreStrengthLeavesLess) {
  const auto distance = [&](double strength) {
    return (made({{"image", file("picture.png")}, {"strength", strength}}) - picture()).abs().mean().item<double>();
  };
  EXPECT_LT(distance(0), 1e-5);
  EXPECT_LT(distance(0.3), distance(0.9));
}

TEST_F(FromAPicture, WhereTheMaskIsBlackItStays) {
  const auto all = made({{"image", file("picture.png")}, {"mask", file("left.png")}});
  const auto difference = (all - picture()).abs();
  EXPECT_LT(difference.slice(3, 8).max().item<double>(), 1e-4);
  EXPECT_GT(difference.slice(3, 0, 8).mean().item<double>(), 0.05);
}

TEST_F(FromAPicture, StrengthCountsWithinTheMaskToo) {
  const auto off = [&](Table options) {
    options.set("image", file("picture.png"));
    options.set("mask", file("left.png"));
    return (made(options) - picture()).abs().slice(3, 0, 8).mean().item<double>();
  };
  EXPECT_LT(off({{"strength", 0.0}}), 1e-5);
  EXPECT_LT(off({{"strength", 0.3}}), off({}));
  EXPECT_EQ(off({{"strength", 1.0}}), off({}));
}

TEST_F(FromAPicture, AnotherSizeIsRefused) {
  EXPECT_ERROR(made({{"image", file("small.png")}}), "is 16 x 8 pixels and this model makes 16 x 16");
  EXPECT_ERROR(made({{"image", file("picture.png")}, {"mask", file("small.png")}}), "the mask");
  EXPECT_ERROR(made({{"image", file("none.png")}}), "none.png");
}

TEST_F(FromAPicture, TheWayIsDrawn) {
  const auto making = maker_->making({{"n", int64_t{2}}, {"steps", int64_t{8}}, {"sampler", "euler"}, {"path", 4}});
  maker_->samples(making);
  ASSERT_EQ(making.also.size(), 1u);
  const auto drawn = making.also[0].second();
  EXPECT_EQ(drawn.size(2), 3);
  EXPECT_GT(drawn.size(1), 2 * drawn.size(0));  // the noise and four stops side by side, two samples
}

}  // namespace
}  // namespace hadal
