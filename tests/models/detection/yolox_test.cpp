// YOLOX against the paper in plain PyTorch (tests/golden/areas/yolox.py): what it finds, which cells learn which
// object, losses and all gradients; names and sizes of all six.
#include "hadal/models/detection/yolox.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "hadal/io/safetensors.h"
#include "hadal/nn/init.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

const NamedTensors& yolox_reference() {
  static const auto file = read_safetensors(golden("yolox.safetensors"));
  return file;
}

class YoloxGolden : public testing::TestWithParam<const char*> {
 protected:
  Tensor of(const std::string& what) const { return yolox_reference().at(fmt::format("{}/{}", GetParam(), what)); }

  void expect_the_same(torch::Dtype type, double outputs, double gradients) const {
    const std::string name = GetParam();
    YoloxImpl model({.classes = 3, .depth = 0.33, .width = 0.125, .depthwise = name == "depthwise"});
    {
      const torch::NoGradGuard no_grad;
      for (auto& [key, tensor] : tensors_of(model))
        if (!key.ends_with("num_batches_tracked")) tensor.copy_(weight(key, tensor.sizes()));
    }
    model.to(type);
    auto pixels = uniform(name + "/pixels", {3, 3, 64, 96}, 2, 2).to(type).requires_grad_();
    model.eval();
    {
      const torch::NoGradGuard no_grad;
      EXPECT_LT(relative_error(model.forward(pixels), of("found")), outputs);
    }
    model.train();
    model.progress(0.96);
    const auto sizes = torch::tensor({{64, 96}, {64, 96}, {64, 96}});
    const auto losses = model.losses(pixels, sizes, {of("boxes"), of("labels"), of("owner"), {}, {}});
    ASSERT_EQ(losses.size(), 4);
    auto sum = torch::zeros({}, type);
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_LT(relative_error(losses[i].second, of("losses")[i]), outputs) << losses[i].first;
      sum = sum + (i + 1) * losses[i].second;
    }
    sum.backward();
    const auto names =
        nlohmann::json::parse(yolox_reference().metadata.at(name + "/gradients")).get<std::vector<std::string>>();
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

TEST_P(YoloxGolden, FloatsAreTheReferences) { expect_the_same(torch::kFloat32, 1e-4, 1e-3); }
TEST_P(YoloxGolden, DoublesAreTheReferences) { expect_the_same(torch::kFloat64, 1e-9, 1e-8); }
INSTANTIATE_TEST_SUITE_P(Networks, YoloxGolden, testing::Values("dense", "depthwise"));

std::shared_ptr<DetectionModel> small_yolox(double width = 0.0625) {
  return std::make_shared<YoloxImpl>(YoloxConfig{.classes = 2, .depth = 0.33, .width = width, .depthwise = true});
}

}  // namespace

TEST(Yolox, HasThePublishedNamesAndSizes) {
  const auto sizes = nlohmann::json::parse(yolox_reference().metadata.at("sizes"));
  const WithoutInit unset;
  for (const auto& [name, about] : sizes.items()) {
    const auto model = detectors().make(Part{"yolox-" + name, {}});
    int64_t count = 0;
    for (const auto& parameter : model->parameters()) count += parameter.numel();
    EXPECT_EQ(count, about["parameters"].get<int64_t>()) << name;
    std::vector<std::string> lines;
    for (const auto& [key, tensor] : tensors_of(*model))
      lines.push_back(fmt::format("{} ({})\n", key, fmt::join(tensor.sizes(), ", ")));
    std::sort(lines.begin(), lines.end());
    EXPECT_EQ(fmt::format("{:016x}", fnv1a(fmt::format("{}", fmt::join(lines, "")))),
              about["shapes"].get<std::string>())
        << name;
  }
}

TEST(Yolox, GivesAnObjectAsManyCellsAsItsOverlapsSumUpTo) {
  const auto at = [](const std::string& what) { return yolox_reference().at("guesses/" + what); };
  const YoloxCells cells{at("raw"), at("corners"), at("strides"), at("pred")};
  const auto match = simota(cells, 0, at("boxes").to(torch::kFloat64), at("labels"));
  EXPECT_TRUE(torch::equal(match.cells, at("cells"))) << match.cells << at("cells");
  EXPECT_TRUE(torch::equal(match.objects, at("objects"))) << match.objects << at("objects");
  EXPECT_LT(relative_error(match.overlap, at("overlap")), 1e-12);
}

TEST(Yolox, AddsL1OnlyWhereTheRunCloses) {
  const auto model = small_yolox();
  const auto pixels = torch::rand({1, 3, 64, 64}) * 255, sizes = torch::tensor({{64, 64}});
  const Targets one{torch::tensor({{8.0F, 8.0F, 40.0F, 50.0F}}), torch::tensor({1}), torch::tensor({0}), {}, {}};
  const auto l1 = [&](double share) {
    model->progress(share);
    return model->losses(pixels, sizes, one)[3].second.item<float>();
  };
  EXPECT_EQ(l1(0.5), 0);
  EXPECT_GT(l1(0.95), 0);
}

TEST(Yolox, LearnsFromPicturesWithoutObjectsAndFromObjectsWithoutCells) {
  const auto model = small_yolox();
  const auto pixels = torch::rand({2, 3, 64, 64}) * 255, sizes = torch::tensor({{64, 64}, {64, 64}});
  const auto none = torch::zeros({0}, torch::kInt64);
  const auto losses = model->losses(pixels, sizes, {torch::zeros({0, 4}), none, none, {}, {}});
  EXPECT_GT(losses[1].second.item<float>(), 0);
  (losses[0].second + losses[1].second + losses[2].second + losses[3].second).backward();
  for (const auto& parameter : model->named_parameters())
    EXPECT_TRUE(parameter.value().grad().defined()) << parameter.key();
  // An object that lies wholly beyond the picture has no cell near.
  const Targets far{torch::tensor({{900.0F, 900.0F, 910.0F, 910.0F}}), torch::tensor({0}), torch::tensor({1}), {}, {}};
  EXPECT_EQ(model->losses(pixels, sizes, far)[0].second.item<float>(), 0);
}

TEST(Yolox, FindsWhatItSees) {
  YoloxImpl model({.classes = 2, .depth = 0.33, .width = 0.0625, .depthwise = true});
  model.eval();
  const torch::NoGradGuard no_grad;
  const auto pixels = torch::rand({2, 3, 64, 96}) * 255, sizes = torch::tensor({{64, 90}, {50, 96}});
  EXPECT_EQ(model.find(pixels, sizes, {.conf = 0.9})[0].boxes.size(0), 0);
  const auto found = model.find(pixels, sizes, {.conf = 0, .iou = 0.5, .most = 7});
  ASSERT_EQ(found.size(), 2);
  EXPECT_LE(found[0].boxes.size(0), 7);
  EXPECT_LE(found[0].boxes.select(1, 2).max().item<float>(), 90);
  EXPECT_LE(found[1].boxes.select(1, 3).max().item<float>(), 50);
  EXPECT_TRUE((found[0].scores.slice(0, 1) <= found[0].scores.slice(0, 0, -1)).all().item<bool>());
  const auto all = model.forward(pixels);
  const auto best = (all.narrow(2, 4, 1) * all.slice(2, 5)).flatten(1).amax(1);
  EXPECT_FLOAT_EQ(found[1].scores[0].item<float>(), best[1].item<float>());
}

TEST(Yolox, RefusesWhatDoesNotFit) {
  YoloxImpl model({.classes = 2, .depth = 0.33, .width = 0.0625});
  EXPECT_ERROR(model.forward(torch::zeros({1, 3, 64, 70})),
               "[yolox] wants sides that are multiples of 32, got 64 x 70");
  EXPECT_ERROR(model.forward(torch::zeros({1, 1, 64, 64})), "[yolox] wants (any, 3, any, any)");
  EXPECT_ERROR(YoloxImpl({.size = 100}), "size (100) must be a multiple of 32; nearest: 96");
  EXPECT_TRUE(model.preparation().corner && model.preparation().bgr);
  EXPECT_EQ(model.preparation().scale, 1);
}
