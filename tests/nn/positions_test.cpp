#include "hadal/nn/positions.h"

#include <cmath>

#include "hadal/nn/norm.h"

#include "tests/nn/torch_golden.h"

using namespace hadal;
using namespace hadal::test;

TEST(Positions, SinesAndCosinesOfThePaper) {
  const auto table = sinusoidal_positions(60, 6);
  for (const int64_t t : {0, 1, 59})
    for (int64_t i = 0; i < 3; ++i) {
      const auto angle = static_cast<double>(t) / std::pow(10000, 2.0 * static_cast<double>(i) / 6);
      EXPECT_NEAR(table[t][2 * i].item<double>(), std::sin(angle), 1e-6);
      EXPECT_NEAR(table[t][2 * i + 1].item<double>(), std::cos(angle), 1e-6);
    }
  EXPECT_ERROR(sinusoidal_positions(4, 5), "[positions] sines and cosines want an even width, got 5");
}

TEST(Rotary, IsHuggingFaces) {
  const auto at = [](const char* key) { return torch_modules().at(std::string("rotary/") + key); };
  for (const std::string name : {"none", "linear"}) {
    const RotaryConfig config = name == "none" ? RotaryConfig{} : RotaryConfig{500000, "linear", 4};
    const auto angles = rotation(at("positions"), 8, config);
    EXPECT_LT(relative_error(rotated(at("q"), angles), at((name + "/q").c_str())), 1e-4) << name;
    EXPECT_LT(relative_error(rotated(at("k"), angles), at((name + "/k").c_str())), 1e-4) << name;
  }
}

TEST(Rotary, DependsOnDistancesAlone) {
  torch::manual_seed(0);
  const auto q = torch::randn({1, 1, 4, 8}), k = torch::randn({1, 1, 4, 8});
  const auto scores = [&](int64_t from) {
    const auto angles = rotation(torch::arange(from, from + 4), 8);
    return rotated(q, angles).matmul(rotated(k, angles).transpose(2, 3));
  };
  EXPECT_LT(relative_error(scores(1000), scores(0)), 1e-5);
}

TEST(Rotary, NtkTurnsTheSlowestFeatureByTheFactorLess) {
  const auto plain = rotation(torch::tensor({3}), 8), stretched = rotation(torch::tensor({3}), 8, {10000, "ntk", 4});
  const auto angle = [](const Rotation& r, int64_t i) { return std::asin(r.sine[0][i].item<double>()); };
  EXPECT_NEAR(angle(stretched, 3), angle(plain, 3) / 4, 1e-6);  // base^(-6/8) with base 4^(8/6) times as large
  EXPECT_NEAR(angle(stretched, 0), angle(plain, 0), 1e-6);
  EXPECT_ERROR(rotation(torch::tensor({3}), 8, {10000, "yarn", 4}), "[rotary] there is no scaling \"yarn\"");
}

TEST(Alibi, HasThePapersSlopes) {
  EXPECT_LT(relative_error(alibi_slopes(8), torch::exp2(-torch::arange(1, 9).to(torch::kFloat32))), 1e-6);
  const auto twelve = alibi_slopes(12);
  EXPECT_NEAR(twelve[0].item<double>(), 0.5, 1e-6);
  EXPECT_NEAR(twelve[8].item<double>(), std::exp2(-0.5), 1e-6);  // every other slope of 16 heads
  EXPECT_NEAR(twelve[11].item<double>(), std::exp2(-3.5), 1e-6);
  const auto bias = alibi_bias(alibi_slopes(2), torch::arange(2, 4), torch::arange(4));
  EXPECT_EQ(bias.sizes(), (std::vector<int64_t>{2, 2, 4}));
  EXPECT_NEAR(bias[0][1][0].item<double>(), -3.0 / 16, 1e-6);
  EXPECT_EQ(bias[1][0][2].item<double>(), 0);
}

TEST(RelativeBias, HasT5sBuckets) {
  const auto distance = torch_modules().at("relative/distance");
  for (const bool both : {true, false}) {
    RelativeBias bias(1, both, 32, 128);
    bias->parameters()[0].data().copy_(torch::arange(32).view({32, 1}));  // each bucket gives its number
    const auto got = bias(torch::zeros({1}, torch::kInt64), distance)[0][0][0];
    EXPECT_TRUE(torch::equal(got.to(torch::kInt64), torch_modules().at(both ? "relative/both" : "relative/back")));
  }
}

TEST(Rotary, RefusesHeadsOfAnotherWidth) {
  const auto angles = rotation(torch::arange(3), 4, {});
  EXPECT_ERROR(rotated(torch::zeros({1, 2, 3, 8}), angles), "angles for heads of width 4 and heads of 8");
}

TEST(Norm, KnowsItsWidth) {
  for (const auto* kind : {"rms", "layer"}) EXPECT_ANY_THROW(Norm(8, 1e-6, kind)(torch::zeros({2, 3, 1}))) << kind;
  EXPECT_ERROR(Norm(8, 1e-6, "rms")(torch::zeros({2, 3, 1})), "[norm] is of 8 numbers and got (2, 3, 1)");
}

TEST(Norm, RmsIsHuggingFaces) {
  const auto at = [](const char* key) { return torch_modules().at(std::string("rms/") + key); };
  Norm norm(8, 1e-5, "rms");
  norm->weight.data().copy_(at("weight"));
  EXPECT_EQ(norm->parameters().size(), 1);
  EXPECT_LT(relative_error(norm(at("x")), at("out")), 1e-6);
  EXPECT_EQ(norm(at("x").to(torch::kBFloat16)).isfinite().all().item<bool>(), true);
  EXPECT_ERROR(Norm(8, 1e-5, "group"), "[norm] there is no norm \"group\"; known: layer, rms");
}
