// YOLO against ultralytics (v8, 11, 26) and against v5's formulas: predictions, what is found, losses, gradients.
#include <map>

#include <nlohmann/json.hpp>

#include "hadal/core/precision.h"
#include "hadal/io/safetensors.h"
#include "hadal/io/weights.h"
#include "hadal/models/detection/yolo.h"
#include "hadal/models/detection/yolo_blocks.h"
#include "hadal/nn/init.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;
using Json = nlohmann::json;

namespace {

constexpr double kTolerance = 1e-4;
/// Of doubles; the yolo_reference's overlaps have another epsilon here and there.
constexpr double kExact = 2e-6;
/// Gradients of floats through batch norms over a dozen values, whose rounding they enlarge.
constexpr double kNormed = 1e-3;

const NamedTensors& yolo_reference() {
  static const auto file = read_safetensors(golden("yolo.safetensors"));
  return file;
}

/// Distances to the sides begin at 2, as they do in training.
double offset_of(const std::string& name) {
  return name.find("cv2.") != std::string::npos && name.ends_with(".2.bias") ? 2 : 0;
}

bool is_constant(const std::string& name) {
  for (const auto* end : {"num_batches_tracked", "dfl.conv.weight", "anchors", "loc", "cov", "flow_model.mask"})
    if (name.ends_with(end)) return true;
  return false;
}

class YoloGolden : public testing::TestWithParam<const char*> {
 protected:
  const std::string name_ = GetParam();
  const Json about_ = Json::parse(yolo_reference().metadata.at(name_));

  const Tensor& wanted(const std::string& what) const { return yolo_reference().at(name_ + "/" + what); }

  std::shared_ptr<YoloImpl> build(torch::Dtype type) const {
    YoloConfig config;
    read_config(config, parse_toml(about_["settings"].get<std::string>(), "golden"));
    auto model = std::make_shared<YoloImpl>(config);
    const torch::NoGradGuard no_grad;
    for (auto& [name, tensor] : tensors_of(*model))
      if (!is_constant(name)) tensor.copy_(weight(name, tensor.sizes()).to(torch::kFloat64).add(offset_of(name)));
    model->to(type);
    return model;
  }

  static Tensor pixels(torch::Dtype type) { return uniform("pixels", {2, 3, 64, 96}, 0.5, 0.5).to(type); }

  Targets targets(const YoloImpl& model) const {
    Targets out = {.boxes = yolo_reference().at("boxes"),
                   .labels = yolo_reference().at("labels"),
                   .owner = yolo_reference().at("owner"),
                   .masks = {},
                   .keypoints = {}};
    if (model.has_masks()) out.masks = yolo_reference().at("masks").repeat_interleave(4, 1).repeat_interleave(4, 2);
    if (model.keypoints() > 0) out.keypoints = yolo_reference().at(fmt::format("keypoints{}", model.keypoints()));
    return out;
  }

  void expect_predictions(torch::Dtype type, double tolerance) const {
    const auto model = build(type);
    model->eval();
    const torch::NoGradGuard no_grad;
    const auto [predictions, prototypes] = model->predictions(pixels(type));
    EXPECT_LT(relative_error(predictions.slice(1, 0, std::nullopt, 2), wanted("predictions")), tolerance);
    if (prototypes.defined())
      EXPECT_LT(relative_error(prototypes.slice(1, 0, std::nullopt, 8), wanted("prototypes")), tolerance);
  }

  void expect_losses(torch::Dtype type, double tolerance, double gradients) const {
    const auto model = build(type);
    model->train();
    model->progress(0.25);
    const auto input = pixels(type).requires_grad_(true);
    const auto losses = model->losses(input, {}, targets(*model));
    const auto& values = wanted("losses");
    std::map<std::string, double> expected;
    for (size_t i = 0; i < about_["losses"].size(); ++i)
      expected[about_["losses"][i].get<std::string>()] = values[static_cast<int64_t>(i)].item<double>();
    auto sum = torch::zeros({}, type);
    for (const auto& [name, loss] : losses) {
      ASSERT_TRUE(expected.contains(name)) << name;
      EXPECT_NEAR(loss.item<double>(), expected[name], tolerance * std::abs(expected[name])) << name;
      sum = sum + loss;
    }
    EXPECT_NEAR(sum.item<double>(), values.sum().item<double>(), tolerance * values.sum().item<double>());
    sum.backward();
    expect_gradients(*model, input, gradients);
  }

  /// A row a tensor, by name: norm, and product with a probe from the hash.
  void expect_gradients(const YoloImpl& model, const Tensor& input, double tolerance) const {
    std::map<std::string, Tensor> gradients;
    for (const auto& item : model.named_parameters())
      gradients[item.key()] = item.value().grad().defined() ? item.value().grad() : torch::zeros_like(item.value());
    const auto& rows = wanted("gradients");
    ASSERT_EQ(rows.size(0), static_cast<int64_t>(gradients.size()) + 1);
    const auto largest = rows.select(1, 0).max().item<double>();
    const auto compare = [&](const std::string& name, const Tensor& gradient, int64_t row) {
      const auto norm = rows[row][0].item<double>();
      const auto allowed = tolerance * (norm + 0.01 * largest);
      const auto whole = gradient.to(torch::kFloat64);
      EXPECT_NEAR(whole.norm().item<double>(), norm, allowed) << name;
      EXPECT_NEAR((whole * uniform(name + "/probe", whole.sizes())).sum().item<double>(), rows[row][1].item<double>(),
                  allowed)
          << name;
    };
    compare("pixels", input.grad(), 0);
    int64_t row = 1;
    for (const auto& [name, gradient] : gradients) compare(name, gradient, row++);
  }
};

TEST_P(YoloGolden, PredictsAsTheReference) { expect_predictions(torch::kFloat32, kTolerance); }
TEST_P(YoloGolden, PredictsAsTheReferenceInDoubles) { expect_predictions(torch::kFloat64, kExact); }
TEST_P(YoloGolden, LossesAndGradientsAreTheReferences) { expect_losses(torch::kFloat32, kTolerance, kNormed); }
TEST_P(YoloGolden, LossesAndGradientsAreTheReferencesInDoubles) { expect_losses(torch::kFloat64, kExact, kExact); }

TEST_P(YoloGolden, HasTheReferencesNames) {
  const auto model = build(torch::kFloat32);
  EXPECT_EQ(tensors_of(*model).size(), about_["tensors"].get<size_t>());
  std::vector<std::string> names;
  for (const auto& item : model->named_parameters()) names.push_back(item.key());
  std::sort(names.begin(), names.end());
  size_t i = 0;
  for (const auto& name : about_["parameters"]) {
    EXPECT_EQ(names.at(i), name.get<std::string>());
    i += 20;
  }
}

TEST_P(YoloGolden, FindsWhatTheReferenceFinds) {
  if (!yolo_reference().find(name_ + "/found")) GTEST_SKIP() << "no reference";
  const auto model = build(torch::kFloat32);
  model->eval();
  const auto found = model->find(pixels(torch::kFloat32), {}, {.conf = 0.5, .iou = 0.6, .most = 20});
  std::vector<Tensor> rows;
  for (size_t i = 0; i < found.size(); ++i) {
    const auto& one = found[i];
    const auto count = one.boxes.size(0);
    rows.push_back(torch::cat({torch::full({count, 1}, static_cast<double>(i)), one.boxes, one.scores.unsqueeze(1),
                               one.labels.unsqueeze(1).to(torch::kFloat32)},
                              1));
    EXPECT_EQ(one.masks.defined(), model->has_masks());
    EXPECT_EQ(one.keypoints.defined(), model->keypoints() > 0);
    if (one.masks.defined()) EXPECT_EQ(one.masks.sizes(), (std::vector<int64_t>{count, 16, 24}));
    if (one.keypoints.defined()) EXPECT_EQ(one.keypoints.sizes(), (std::vector<int64_t>{count, model->keypoints(), 3}));
  }
  EXPECT_LT(relative_error(torch::cat(rows), wanted("found")), kTolerance);
}

TEST_P(YoloGolden, FoldedLayersGiveTheSame) {
  const auto model = build(torch::kFloat32);
  model->eval();
  const auto plain = model->predictions(pixels(torch::kFloat32)).first;
  const torch::NoGradGuard no_grad;
  EXPECT_LT(relative_error(model->predictions(pixels(torch::kFloat32)).first, plain), kTolerance);
  model->parameters()[0].mul_(-30);  // other weights: folded anew
  const auto changed = model->predictions(pixels(torch::kFloat32)).first;
  const yolo::WithoutFolding unfolded;
  EXPECT_LT(relative_error(changed, model->predictions(pixels(torch::kFloat32)).first), kTolerance);
  EXPECT_GT(relative_error(changed, plain), kTolerance);
}

TEST_P(YoloGolden, FoldedLayersAreAsExactInBfloat16) {
  const auto model = build(torch::kFloat32);
  model->eval();
  const auto exact = model->predictions(pixels(torch::kFloat32)).first;
  const torch::NoGradGuard no_grad;
  const auto error = [&] {
    const Autocast autocast(torch::kCPU, "bf16");
    return relative_error(model->predictions(pixels(torch::kFloat32)).first.to(torch::kFloat32), exact);
  };
  model->predictions(pixels(torch::kFloat32));  // folded in fp32 first: they are folded anew
  const auto folded = error();
  const yolo::WithoutFolding unfolded;
  EXPECT_GT(folded, kTolerance);  // in bf16 indeed
  EXPECT_LT(folded, 1.5 * error());
}

INSTANTIATE_TEST_SUITE_P(Detection, YoloGolden,
                         testing::Values("v5", "v8", "v8-seg", "v8-pose", "11", "11-seg", "11-pose", "26", "26-seg",
                                         "26-pose"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return "yolo" + name;
                         });

}  // namespace
