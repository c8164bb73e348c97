// torchvision's detectors with the same weights: losses, gradients and what is found; every preset's names and shapes.
#include <algorithm>
#include <cmath>
#include <fstream>

#include <nlohmann/json.hpp>

#include "hadal/io/safetensors.h"
#include "hadal/models/detection/detection_model.h"
#include "hadal/models/detection/roi_features.h"
#include "hadal/nn/init.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;
using Json = nlohmann::json;

namespace {

const NamedTensors& torchvision_reference() {
  static const auto file = read_safetensors(golden("detection.safetensors"));
  return file;
}

const Tensor kTorchvisionSizes = torch::tensor({{96, 128}, {90, 101}}, torch::kInt64);

Tensor pixels_of(torch::Dtype type) {
  const auto pixels = uniform("pixels", {2, 3, 96, 128}, std::sqrt(3.0));
  pixels[1].slice(1, 90).zero_();
  pixels[1].slice(2, 101).zero_();
  return pixels.to(type).requires_grad_();
}

/// The same four objects as in tests/golden/areas/detection.py.
Targets targets_of(const DetectionModel& model) {
  Targets out;
  out.boxes = torch::tensor({{10, 12, 50, 60}, {30, 20, 100, 90}, {70, 5, 120, 40}, {5, 6, 60, 80}}, torch::kFloat32);
  out.labels = torch::tensor({0, 2, 1, 1}, torch::kInt64);
  out.owner = torch::tensor({0, 0, 0, 1}, torch::kInt64);
  const std::vector<int64_t> place{0, 1, 2, 0};
  if (model.has_masks()) {
    const auto grid = torch::meshgrid({torch::arange(96.0F), torch::arange(128.0F)}, "ij");
    std::vector<Tensor> masks;
    for (int64_t i = 0; i < 4; ++i) {
      const auto box = out.boxes[i];
      const auto across = (grid[1] - (box[0] + box[2]) / 2) / (box[2] - box[0]) * 2;
      const auto down = (grid[0] - (box[1] + box[3]) / 2) / (box[3] - box[1]) * 2;
      masks.push_back((across.square() + down.square() < 1).to(torch::kUInt8));
    }
    out.masks = torch::stack(masks);
  }
  if (model.keypoints() > 0) {
    out.keypoints = torch::zeros({4, 5, 3});
    for (int64_t i = 0; i < 4; ++i)
      for (int64_t k = 0; k < 5; ++k) {
        const auto box = out.boxes[i], share = torch::tensor(0.03F + 0.231F * static_cast<float>(k));
        out.keypoints[i][k][0] = box[0] + (box[2] - box[0]) * share;
        out.keypoints[i][k][1] = box[3] - (box[3] - box[1]) * share;
        out.keypoints[i][k][2] = static_cast<float>((k + place[static_cast<size_t>(i)]) % 3);
      }
  }
  return out;
}

std::shared_ptr<DetectionModel> build(const Json& about) {
  const WithoutInit all_come_from_the_hash;
  auto model = detectors().make(Part{about["preset"], parse_toml(about["settings"].get<std::string>(), "golden")});
  const torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : tensors_of(*model)) {
    if (name.ends_with("num_batches_tracked")) continue;
    tensor.copy_(weight(name, tensor.sizes()));
    if (name.ends_with("bbox_pred.weight") || name.ends_with("bbox_reg.weight")) tensor.mul_(0.1);
    if (name.ends_with("classification_head.cls_logits.bias")) tensor.view({-1, 4}).select(1, 0).fill_(-30);
  }
  return model;
}

class Torchvision : public testing::TestWithParam<const char*> {
 protected:
  const std::string name_ = GetParam();
  const Json about_ = Json::parse(torchvision_reference().metadata.at(name_));
  const Tensor& at(const std::string& key) const { return torchvision_reference().at(name_ + "/" + key); }
  std::vector<std::string> names(const std::string& key) const {
    return Json::parse(torchvision_reference().metadata.at(name_ + "/" + key)).get<std::vector<std::string>>();
  }

  void expect_training(torch::Dtype type, double tolerance, double gradients) const {
    const auto model = build(about_);
    model->to(type);
    model->train();
    const auto pixels = pixels_of(type);
    const auto losses = model->losses(pixels, kTorchvisionSizes, targets_of(*model));
    const auto wanted = names("losses");
    ASSERT_EQ(losses.size(), wanted.size());
    Tensor sum;
    for (const auto& [loss, value] : losses) {
      const auto row = std::find(wanted.begin(), wanted.end(), loss) - wanted.begin();
      ASSERT_LT(row, static_cast<int64_t>(wanted.size())) << loss;
      const auto expected = at("losses")[row].item<double>();
      EXPECT_NEAR(value.item<double>(), expected, tolerance * std::max(expected, 0.1)) << name_ << " " << loss;
      sum = sum.defined() ? sum + value : value;
    }
    sum.backward();
    std::map<std::string, Tensor> mine{{"pixels", pixels.grad()}};
    for (const auto& parameter : model->named_parameters())
      if (parameter.value().grad().defined()) mine[parameter.key()] = parameter.value().grad();
    const auto rows = names("gradients");
    const auto& expected = at("gradients");
    EXPECT_EQ(mine.size(), rows.size());
    const auto largest = expected.select(1, 0).max().item<double>();
    for (size_t i = 0; i < rows.size(); ++i) {
      ASSERT_TRUE(mine.contains(rows[i])) << rows[i];
      const auto gradient = mine.at(rows[i]).to(torch::kFloat64);
      const auto row = expected[static_cast<int64_t>(i)];
      const auto allowed = gradients * (row[0].item<double>() + 0.01 * largest);
      EXPECT_NEAR(gradient.norm().item<double>(), row[0].item<double>(), allowed) << name_ << ": " << rows[i];
      EXPECT_NEAR((gradient * uniform(rows[i] + "/probe", gradient.sizes())).sum().item<double>(),
                  row[1].item<double>(), allowed)
          << name_ << ": " << rows[i];
    }
  }
};

TEST_P(Torchvision, LossesAndGradientsAreTheSame) { expect_training(torch::kFloat64, 1e-7, 1e-6); }

TEST_P(Torchvision, InFloatsToo) { expect_training(torch::kFloat32, 1e-3, 0.1); }

TEST_P(Torchvision, FindsTheSame) {
  const auto model = build(about_);
  model->to(torch::kFloat64);
  model->eval();
  const auto found = model->find(pixels_of(torch::kFloat64), kTorchvisionSizes,
                                 {.conf = about_["conf"].get<double>(), .iou = 0.5, .most = 30});
  ASSERT_EQ(found.size(), 2);
  for (size_t i = 0; i < 2; ++i) {
    const auto key = fmt::format("found/{}/", i);
    const auto& [boxes, labels, scores, masks, keypoints, masks_are] = found[i];
    EXPECT_EQ(boxes.size(0), at(key + "count").item<int64_t>());
    EXPECT_LT((boxes.slice(0, 0, 12) - at(key + "boxes")).abs().max().item<double>(), 1e-3);
    EXPECT_TRUE(torch::equal(labels.slice(0, 0, 12) + 1, at(key + "labels")));
    EXPECT_LT((scores.slice(0, 0, 12) - at(key + "scores")).abs().max().item<double>(), 1e-5);
    EXPECT_EQ(masks.defined(), model->has_masks());
    EXPECT_EQ(keypoints.defined(), model->keypoints() > 0);
    if (masks.defined()) {
      EXPECT_EQ(masks_are, Found::Masks::of_box);
      EXPECT_EQ(masks.sizes(), (std::vector<int64_t>{boxes.size(0), 28, 28}));
      EXPECT_LT((masks.slice(0, 0, 3) - at(key + "masks")).abs().max().item<double>(), 1e-5);
    }
    if (keypoints.defined())
      EXPECT_LT((keypoints.slice(0, 0, 12) - at(key + "keypoints")).abs().max().item<double>(), 1e-3);
  }
}

INSTANTIATE_TEST_SUITE_P(Detection, Torchvision,
                         testing::Values("faster", "mask_mobile", "mask_v2", "keypoint", "retina", "retina_v2"),
                         [](const auto& info) { return std::string(info.param); });

std::string lines_of(const nn::Module& module) {
  std::vector<std::string> lines;
  for (const auto& [name, tensor] : tensors_of(module))
    lines.push_back(fmt::format("{} ({})\n", name, fmt::join(tensor.sizes(), ", ")));
  std::sort(lines.begin(), lines.end());
  return fmt::format("{}", fmt::join(lines, ""));
}

}  // namespace

TEST(TorchvisionDetectors, LookAtTheLevelThatFitsABox) {
  Scene scene{.features = {}, .sizes = {}, .height = 384, .width = 512};
  for (int64_t i = 0; i < 4; ++i)
    scene.features.push_back(uniform(fmt::format("level{}", i), {2, 2, 96 >> i, 128 >> i}));
  const auto at = uniform("boxes", {40, 4}).to(torch::kFloat64);
  const auto corner = (at.slice(1, 0, 2) + 1) * 60;
  const auto boxes = torch::cat({corner, corner + torch::exp2(5.5 + 2.5 * at.slice(1, 2))}, 1).to(torch::kFloat32);
  const auto out = roi_features(scene, 4, {boxes.slice(0, 0, 25), boxes.slice(0, 25)}, 3);
  EXPECT_LT((out - torchvision_reference().at("levels")).abs().max().item<double>(), 1e-5);
}

TEST(TorchvisionDetectors, HaveTheNamesAndShapesOfTheirReference) {
  std::ifstream file(golden("detection.json"));
  const auto known = Json::parse(file);
  const WithoutInit shapes_only;
  for (const auto& [name, entry] : known.items()) {
    const auto model = detectors().make({name, {}});
    int64_t parameters = 0;
    for (const auto& parameter : model->parameters()) parameters += parameter.numel();
    EXPECT_EQ(parameters, entry["parameters"].get<int64_t>()) << name;
    EXPECT_EQ(fmt::format("{:016x}", fnv1a(lines_of(*model))), entry["shapes"].get<std::string>())
        << name << " differs from " << entry["source"] << ":\n"
        << lines_of(*model);
  }
}
