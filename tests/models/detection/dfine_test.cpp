// D-FINE against Hugging Face transformers (tests/golden/areas/dfine.py): what it says, what it finds, losses and all
// gradients with noise drawn from the same seed; names and sizes of all five; and how it learns.
#include "hadal/models/detection/dfine.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "hadal/io/safetensors.h"
#include "hadal/nn/init.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

const NamedTensors& dfine_reference() {
  static const auto file = read_safetensors(golden("dfine.safetensors"));
  return file;
}

DfineConfig small_dfine(bool three_levels = true) {
  DfineConfig config;
  config.classes = 3;
  config.backbone = {
      .stem = {8, 8}, .inner = {8, 12, 8, 16}, .out = {16, 24, 32, 48}, .blocks = {1, 1, 2, 1}, .layers = 2};
  config.backbone.affine = three_levels;
  config.queries = 12;
  config.encoder_hidden = 40;
  config.hidden = 24;
  config.layers = 3;
  config.heads = 4;
  config.denoising = 6;
  config.dim = 16;
  if (three_levels) {
    config.points = {3, 6, 2};
    config.encoder_dim = 24;
    config.expansion = 0.5, config.depth = 0.34;
  } else {
    config.points = {4, 3};
    config.encoder_dim = 16;
    config.depth = 0.5;
    config.reach = 8;
    config.bins = 16;
  }
  return config;
}

const Tensor kDfineSizes = torch::tensor({{96, 128}, {96, 128}, {96, 128}}, torch::kInt64);

class DfineGolden : public testing::TestWithParam<std::string> {
 protected:
  Tensor of(const std::string& what) const { return dfine_reference().at(fmt::format("{}/{}", GetParam(), what)); }

  std::shared_ptr<DfineImpl> filled(const std::string& pairing = "own") const {
    auto config = small_dfine(GetParam() == "three");
    config.pairing = pairing;
    auto model = std::make_shared<DfineImpl>(config);
    const torch::NoGradGuard no_grad;
    for (auto& [key, tensor] : tensors_of(*model)) {
      const auto kept = {"num_batches_tracked", "reg_scale", "up", "num_points_scale"};
      if (std::none_of(kept.begin(), kept.end(), [&key = key](const char* end) { return key.ends_with(end); }))
        tensor.copy_(weight(key, tensor.sizes()));
    }
    return model;
  }
  Tensor pixels() const { return uniform(GetParam() + "/pixels", {3, 3, 96, 128}); }

  void expect_losses_and_gradients(const std::string& pairing) const {
    const auto model = filled(pairing);
    model->train();
    auto seen = pixels().requires_grad_();
    torch::manual_seed(7);
    const auto losses = model->losses(seen, kDfineSizes, {of("objects"), of("classes"), of("owner"), {}, {}});
    ASSERT_EQ(losses.size(), 5);
    auto sum = torch::zeros({});
    for (int64_t i = 0; i < 5; ++i) {
      EXPECT_LT(relative_error(losses[i].second, of(pairing + "/losses")[i]), 1e-4) << losses[i].first;
      sum = sum + (i + 1) * losses[i].second;
    }
    sum.backward();
    const auto names = nlohmann::json::parse(dfine_reference().metadata.at(GetParam() + "/" + pairing + "/gradients"))
                           .get<std::vector<std::string>>();
    const auto expected = of(pairing + "/gradients");
    const auto largest = expected.select(1, 0).max().item<double>();
    auto all = model->named_parameters();
    size_t with = 1;
    for (const auto& parameter : all) with += parameter.value().grad().defined() ? 1 : 0;
    ASSERT_EQ(names.size(), with);
    for (size_t i = 0; i < names.size(); ++i) {
      const auto gradient = (names[i] == "pixels" ? seen : all[names[i]]).grad().to(torch::kFloat64);
      const auto row = expected[static_cast<int64_t>(i)];
      const auto scale = row[0].item<double>() + 0.01 * largest;
      const auto probe = (gradient * uniform(names[i] + "/probe", gradient.sizes())).sum().item<double>();
      EXPECT_NEAR(gradient.norm().item<double>(), row[0].item<double>(), 1e-4 * scale) << names[i];
      EXPECT_NEAR(probe, row[1].item<double>(), 1e-4 * scale) << names[i];
    }
  }
};

}  // namespace

TEST_P(DfineGolden, SaysAndFindsWhatTransformersDoes) {
  const auto model = filled();
  model->eval();
  const torch::NoGradGuard no_grad;
  const auto said = model->forward(pixels());
  EXPECT_LT(relative_error(said.logits, of("logits")), 1e-4);
  EXPECT_LT(relative_error(said.boxes, of("boxes")), 1e-4);
  const auto found = model->find(pixels(), kDfineSizes, {.conf = 0.5});
  ASSERT_EQ(found.size(), 3);
  for (size_t i = 0; i < 3; ++i) {
    const auto rows = of(fmt::format("found{}", i));
    ASSERT_EQ(found[i].boxes.size(0), rows.size(0));
    EXPECT_LT(relative_error(found[i].scores, rows.select(1, 4)), 1e-4);
    EXPECT_TRUE(torch::equal(found[i].labels, rows.select(1, 5).to(torch::kInt64)));
    auto boxes = rows.narrow(1, 0, 4).clone();  // which may reach beyond the picture there
    boxes.clamp_(0).select(1, 0).clamp_(0, 128);
    boxes.select(1, 2).clamp_(0, 128);
    boxes.select(1, 1).clamp_(0, 96);
    boxes.select(1, 3).clamp_(0, 96);
    EXPECT_LT(relative_error(found[i].boxes, boxes), 1e-4);
  }
}

TEST_P(DfineGolden, LearnsAsTransformersDoes) { expect_losses_and_gradients("transformers"); }
TEST_P(DfineGolden, LearnsWithItsOwnPairsByTransformersCriterion) { expect_losses_and_gradients("own"); }
INSTANTIATE_TEST_SUITE_P(Networks, DfineGolden, testing::Values("three", "two"));

TEST(Dfine, HasTransformersNamesAndSizes) {
  const auto sizes = nlohmann::json::parse(dfine_reference().metadata.at("sizes"));
  const WithoutInit unset;
  for (const auto& [size, about] : sizes.items()) {
    const auto model = detectors().make(Part{"d_fine-" + size, {}});
    int64_t count = 0;
    for (const auto& parameter : model->parameters()) count += parameter.numel();
    EXPECT_EQ(count, about["parameters"].get<int64_t>()) << size;
    std::vector<std::string> lines;
    for (const auto& [key, tensor] : tensors_of(*model))
      lines.push_back(fmt::format("{} ({})\n", key, fmt::join(tensor.sizes(), ", ")));
    std::sort(lines.begin(), lines.end());
    EXPECT_EQ(fmt::format("{:016x}", fnv1a(fmt::format("{}", fmt::join(lines, "")))),
              about["shapes"].get<std::string>())
        << size;
  }
}
