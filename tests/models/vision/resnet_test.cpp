#include "hadal/models/vision/resnet.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

TEST(ResNet, GivesTheFourStagesToAFeaturePyramid) {
  ResNet resnet(ResNetConfig{.layers = {1, 1, 1, 1}, .bottleneck = true});
  const auto stages = resnet->features(uniform("pixels", {1, 3, 64, 96}));
  ASSERT_EQ(stages.size(), 4);
  for (int64_t i = 0; i < 4; ++i)
    EXPECT_EQ(stages[static_cast<size_t>(i)].sizes(), (std::vector<int64_t>{1, 256 << i, 16 >> i, 24 >> i}));
}

TEST(ResNet, RefusesWhatMakesNoNetwork) {
  EXPECT_ERROR(ResNet(ResNetConfig{.layers = {2, 2, 2}}), "[resnet] layers must name 4 stages, got 3");
  EXPECT_ERROR(CifarResNet(CifarResNetConfig{.depth = 21}),
               "[resnet-cifar] depth (21) must be 6 n + 2, n >= 1; nearest: 20");
  EXPECT_ERROR(CifarResNet(CifarResNetConfig{.depth = 2}), "resnet-cifar.depth wants an integer of at least 8, got 2");
}
