#include "hadal/nn/init.h"

#include <cmath>

#include "hadal/nn/linear.h"

#include "tests/support/support.h"

using namespace hadal;

TEST(Init, TruncatedNormalIsCutAtTwo) {
  torch::manual_seed(0);
  const auto wide = torch::empty({100'000}), narrow = torch::empty({100'000});
  init::truncated_normal(wide, 2);
  EXPECT_LE(wide.abs().max().item<double>(), 2);
  EXPECT_NEAR(wide.std().item<double>(), 1.0790, 0.02);  // N(0, 4) cut at one standard deviation: 2 x 0.5396
  init::truncated_normal(narrow, 0.05);
  EXPECT_NEAR(narrow.std().item<double>(), 0.05, 0.001);
  EXPECT_GT(narrow.abs().max().item<double>(), 0.15);
}

TEST(Init, LeavesWeightsAloneWhereTheyAllComeFromAFile) {
  EXPECT_FALSE(WithoutInit::active());
  {
    const WithoutInit outer;
    const WithoutInit inner;
    const auto weight = torch::full({4, 4}, 7.0);
    init::linear(weight);
    init::xavier_uniform(weight);
    init::kaiming_normal(weight, true);
    init::truncated_normal(weight, 1);
    init::normal(weight, 1);
    init::constant(weight, 0);
    EXPECT_TRUE((weight == 7).all().item<bool>());
  }
  EXPECT_FALSE(WithoutInit::active());
}

TEST(Linear, IsTorchsLinear) {
  torch::manual_seed(0);
  Linear ours(5, 3), bare(5, 3, false);
  const auto x = torch::randn({2, 4, 5});
  EXPECT_TRUE(torch::allclose(ours(x), torch::linear(x, ours->weight, ours->bias)));
  EXPECT_TRUE(torch::allclose(bare(x), torch::linear(x, bare->weight)));
  EXPECT_EQ(bare->parameters().size(), 1);
  EXPECT_LE(ours->weight.abs().max().item<double>(), 1 / std::sqrt(5.0));
}
