#include "hadal/models/detection/backbone.h"

#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

/// The sides of the pyramid's levels over 128 pixels.
std::vector<int64_t> sides_of(const BackboneConfig& config, int64_t resnet_stages = 4) {
  const torch::NoGradGuard no_grad;
  Backbone backbone(config, FpnShape::Top::subsampled, ConvNormShape::Norm::none, resnet_stages);
  backbone->eval();
  std::vector<int64_t> sides;
  for (const auto& level : backbone->forward(torch::zeros({1, 3, 128, 128}))) sides.push_back(level.size(2));
  EXPECT_EQ(sides.size(), backbone->levels());
  return sides;
}

}  // namespace

TEST(Backbone, ThePyramidStandsOnAsManyStagesAsAsked) {
  using Sides = std::vector<int64_t>;
  BackboneConfig config{.layers = {1, 1, 1, 1}, .bottleneck = false, .pyramid = 8};
  EXPECT_EQ(sides_of(config), (Sides{32, 16, 8, 4, 2}));
  EXPECT_EQ(sides_of(config, 3), (Sides{16, 8, 4, 2}));
  config.stages = 2;
  EXPECT_EQ(sides_of(config, 3), (Sides{8, 4, 2}));
  config = {.kind = "mobilenet_v3_large", .pyramid = 8};
  EXPECT_EQ(sides_of(config), (Sides{4, 4, 2}));
  config.stages = 5;
  EXPECT_EQ(sides_of(config), (Sides{32, 16, 8, 4, 4, 2}));
}

TEST(Backbone, RefusesMoreStagesThanThereAre) {
  BackboneConfig config{.stages = 5};
  EXPECT_ERROR(config.validate(), "resnet has 4 stages, got stages=5");
}
