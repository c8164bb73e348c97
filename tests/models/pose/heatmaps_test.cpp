// From heat maps to keypoints, and what models refuse.
#include "hadal/models/pose/heatmaps.h"

#include <torch/optim/adam.h>

#include "hadal/io/safetensors.h"
#include "hadal/models/pose/simple_baseline.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

const NamedTensors& reference() {
  static const auto file = read_safetensors(golden("pose.safetensors"));
  return file;
}

std::shared_ptr<HeatmapModel> small(Table more = {}) {
  Table settings =
      parse_toml("keypoints = 3\nheight = 64\nwidth = 32\nlayers = [1, 1, 1, 1]\ndeconv = [8, 8, 8]", "small");
  settings.merge(more);
  torch::manual_seed(0);
  return heatmap_models().make({"simplebaseline_resnet18", settings});
}

}  // namespace

TEST(Heatmaps, AQuarterOfAPixelTowardsTheHigherNeighbour) {
  const auto& wanted = reference().at("decoding/quarter");
  const auto found = decoded(reference().at("decoding/maps"), HeatmapDecoding::quarter);
  EXPECT_TRUE(torch::equal(found, wanted));
  const auto plain = decoded(reference().at("decoding/maps"), HeatmapDecoding::plain);
  EXPECT_TRUE(torch::equal(plain.slice(2, 0, 2), plain.slice(2, 0, 2).round()));
}

TEST(Heatmaps, DarkFindsWhereAGaussianStands) {
  const auto points = torch::tensor({{{7.3F, 5.8F, 1.0F}, {11.0F, 9.45F, 1.0F}}});
  const auto found = decoded(gaussian_maps(points, 16, 20, 2), HeatmapDecoding::dark);
  EXPECT_LT((found - points).slice(2, 0, 2).abs().max().item<float>(), 0.02);
}

TEST(Heatmaps, AMapThatIsNowhereAboveNothingHasNoScore) {
  auto maps = torch::full({1, 1, 4, 4}, -0.5F);
  maps[0][0][2][1] = -0.1F;
  for (const auto how : {HeatmapDecoding::plain, HeatmapDecoding::quarter, HeatmapDecoding::dark})
    EXPECT_TRUE(torch::equal(decoded(maps, how)[0][0], torch::tensor({1.0F, 2.0F, 0.0F})));
}

TEST(Heatmaps, MirrorsChangeSides) {
  const auto& maps = reference().at("decoding/maps");
  EXPECT_TRUE(torch::equal(mirrored_back(maps, {0, 2, 1, 4, 3}, true), reference().at("decoding/mirrored")));
  const auto moved = mirrored_back(maps, {0, 2, 1, 4, 3}, false);
  EXPECT_TRUE(torch::equal(moved.slice(3, 1), reference().at("decoding/mirrored").slice(3, 0, -1)));
}

TEST(Heatmaps, WhatIsNotThereIsNotLearned) {
  const auto points = torch::tensor({{{2.0F, 2.0F, 1.0F}, {3.0F, 3.0F, 0.0F}}});
  const auto wanted = gaussian_maps(points, 8, 8, 1);
  EXPECT_EQ(wanted[0][1].abs().max().item<float>(), 0);
  auto found = wanted.clone();
  found[0][1].fill_(3);
  EXPECT_EQ(heatmap_loss(found, wanted, points.select(2, 2)).item<float>(), 0);
  found[0][0] += 1;
  EXPECT_FLOAT_EQ(heatmap_loss(found, wanted, points.select(2, 2)).item<float>(), 0.5);
}

TEST(HeatmapModels, SayWhichSizesTheyTake) {
  EXPECT_ERROR(small({{"height", 70}}), "must be multiples of 32; nearest: 64, 32");
  EXPECT_ERROR(small({{"deconv", List{Value(8)}}}), "deconv must name 3 layers, got 1");
  EXPECT_ERROR(heatmap_models().make({"vitpose_s", {{"height", 250}}}), "must be multiples of patch (16)");
  EXPECT_ERROR(small()->forward(torch::zeros({1, 3, 64, 64})), "wants (any, 3, 64, 32), got (1, 3, 64, 64)");
}

TEST(HeatmapModels, LearnOneCrop) {
  const auto model = small();
  const auto points = torch::tensor({{{3.0F, 5.0F, 1.0F}, {6.0F, 12.0F, 1.0F}, {2.0F, 10.0F, 1.0F}}}).expand({2, 3, 3});
  const auto pixels = torch::randn({2, 3, 64, 32}), wanted = gaussian_maps(points, 16, 8, 1);
  torch::optim::Adam adam(model->parameters(), torch::optim::AdamOptions(0.01));
  double first = 0, last = 0;
  for (int i = 0; i < 15; ++i) {
    adam.zero_grad();
    const auto loss = heatmap_loss(model->forward(pixels), wanted, points.select(2, 2));
    loss.backward();
    adam.step();
    (i == 0 ? first : last) = loss.item<double>();
  }
  EXPECT_LT(last, 0.5 * first);
}

TEST(SimpleBaseline, TakesWeightsOfOtherNames) {
  const auto model = small();
  const TensorsByName theirs = {{"conv1.weight", torch::ones({1})},
                                {"layer3.0.bn2.bias", torch::ones({1})},
                                {"fc.weight", torch::ones({1})},
                                {"deconv_layers.3.weight", torch::ones({1})},
                                {"keypoint_head.final_layer.bias", torch::ones({1})},
                                {"head.deconv_layers.0.weight", torch::ones({1})}};
  std::vector<std::string> names;
  for (const auto& [name, tensor] : model->own_names(theirs)) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"backbone.conv1.weight", "backbone.layer3.0.bn2.bias",
                                             "head.deconv_layers.3.weight", "head.final_layer.bias",
                                             "head.deconv_layers.0.weight"}));
}
