// Networks of all kinds of layers against the same ones in plain PyTorch (tests/golden/areas/darknet.py): what they
// find, what they learn by and all gradients.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "hadal/io/safetensors.h"
#include "hadal/models/detection/darknet.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

const NamedTensors& reference() {
  static const auto file = read_safetensors(golden("darknet.safetensors"));
  return file;
}

class DarknetGolden : public testing::TestWithParam<const char*> {
 protected:
  Tensor of(const std::string& what) const { return reference().at(fmt::format("{}/{}", GetParam(), what)); }

  void expect_the_same(torch::Dtype type, double outputs, double gradients) const {
    const std::string name = GetParam();
    DarknetImpl model({.cfg = reference().metadata.at(name)});
    {
      const torch::NoGradGuard no_grad;
      for (auto& [key, tensor] : tensors_of(model))
        if (!key.ends_with("num_batches_tracked")) tensor.copy_(weight(key, tensor.sizes()));
    }
    model.to(type);
    const auto& plan = model.plan();
    auto pixels = uniform(name + "/pixels", {2, 3, plan.height, plan.width}, 0.5, 0.5).to(type).requires_grad_();
    model.eval();
    {
      const torch::NoGradGuard no_grad;
      EXPECT_LT(relative_error(model.forward(pixels), of("found")), outputs);
    }
    model.train();
    const auto sizes = torch::tensor({{plan.height, plan.width}, {plan.height, plan.width}});
    const auto losses = model.losses(pixels, sizes, {of("boxes"), of("labels"), of("owner"), {}, {}});
    ASSERT_EQ(losses.size(), 3);
    for (int64_t i = 0; i < 3; ++i)
      EXPECT_LT(relative_error(losses[i].second, of("losses")[i]), outputs) << losses[i].first;
    (losses[0].second + 2 * losses[1].second + 3 * losses[2].second).backward();
    const auto names =
        nlohmann::json::parse(reference().metadata.at(name + "/gradients")).get<std::vector<std::string>>();
    const auto expected = of("gradients");
    const auto largest = expected.select(1, 0).max().item<double>();
    auto all = model.named_parameters();
    ASSERT_EQ(names.size(), all.size() + 1);
    for (size_t i = 0; i < names.size(); ++i) {
      const auto gradient = (names[i] == "pixels" ? pixels : all[names[i]]).grad().to(torch::kFloat64);
      const auto row = expected[static_cast<int64_t>(i)];
      const auto allowed = gradients * (row[0].item<double>() + 0.01 * largest);
      EXPECT_NEAR(gradient.norm().item<double>(), row[0].item<double>(), allowed) << names[i];
      EXPECT_NEAR((gradient * uniform(names[i] + "/probe", gradient.sizes())).sum().item<double>(),
                  row[1].item<double>(), allowed)
          << names[i];
    }
  }
};

TEST_P(DarknetGolden, FloatsAreTheReferences) { expect_the_same(torch::kFloat32, 1e-4, 1e-3); }
TEST_P(DarknetGolden, DoublesAreTheReferences) { expect_the_same(torch::kFloat64, 1e-9, 1e-8); }

TEST_P(DarknetGolden, LearnsAlsoFromPicturesWithoutObjects) {
  DarknetImpl model({.cfg = reference().metadata.at(GetParam())});
  const auto& plan = model.plan();
  const auto none = torch::zeros({0}, torch::kInt64);
  const auto losses =
      model.losses(torch::rand({1, 3, plan.height, plan.width}), torch::tensor({{plan.height, plan.width}}),
                   {torch::zeros({0, 4}), none, none, {}, {}});
  EXPECT_EQ(losses[0].second.item<float>(), 0);
  EXPECT_GT(losses[1].second.item<float>(), 0);
  EXPECT_EQ(losses[2].second.item<float>(), 0);
  (losses[0].second + losses[1].second + losses[2].second).backward();
}

INSTANTIATE_TEST_SUITE_P(Networks, DarknetGolden, testing::Values("v4", "v3", "v2"));

}  // namespace
