// Class weights: in every family the loss that tells classes apart, and no other, counts a class by its weight.
#include "hadal/models/detection/detection_model.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

struct Family {
  const char *name, *loss, *settings;
};

std::ostream& operator<<(std::ostream& out, const Family& family) { return out << family.name; }

constexpr const char* kRcnn =
    "[backbone]\npyramid = 32\n[rpn]\nafter_train = 50\n[roi]\nhidden = 32\nsampled = 32\nsampled_objects = 0.5\n";

const std::vector<Family> kFamilies = {
    {"yolov5n", "cls", "width = 0.125"},
    {"yolov8n", "cls", "width = 0.125"},
    {"yolo26n", "cls", "width = 0.125"},
    {"yolox-nano", "classes", ""},
    {"yolov3-tiny", "classes", ""},
    {"yolov2-tiny", "classes", ""},
    {"retinanet_resnet50_fpn", "classification", "[backbone]\nlayers = [1, 1, 1, 1]\npyramid = 32\n"},
    {"d_fine-n", "vfl", ""}};

std::shared_ptr<DetectionModel> made(const char* name, const char* settings) {
  auto table = parse_toml(settings, "small");
  table.set("classes", 3);
  torch::manual_seed(0);
  return detectors().make({name, table});
}

/// The losses of one picture each of the classes 0 and 2, from the same draw each time.
TensorsByName losses_with(DetectionModel& model, const Tensor& weights) {
  Targets targets;
  targets.boxes = torch::tensor({{4.0F, 6.0F, 50.0F, 60.0F}, {10.0F, 10.0F, 40.0F, 50.0F}});
  targets.labels = torch::tensor({int64_t{0}, int64_t{2}});
  targets.owner = torch::tensor({int64_t{0}, int64_t{1}});
  targets.class_weights = weights;
  torch::manual_seed(3);
  return model.losses(uniform("pixels", {2, 3, 64, 96}), torch::tensor({{64, 96}, {64, 96}}, torch::kInt64), targets);
}

double part(const TensorsByName& losses, const std::string& wanted) {
  for (const auto& [name, loss] : losses)
    if (name == wanted) return loss.item<double>();
  ADD_FAILURE() << "there is no loss " << wanted;
  return 0;
}

class ClassWeights : public testing::TestWithParam<Family> {};

}  // namespace

TEST_P(ClassWeights, CountEachClassAsOftenAsTheySay) {
  const auto& [name, loss, settings] = GetParam();
  const auto model = made(name, settings);
  const auto with = [&](const std::vector<float>& weights) {
    return part(losses_with(*model, torch::tensor(weights)), loss);
  };
  // A sum over classes: what the weights leave alone, and each class's part as often as its weight says.
  const auto none = with({0, 0, 0}), first = with({1, 0, 0}) - none, second = with({0, 1, 0}) - none,
             third = with({0, 0, 1}) - none;
  EXPECT_GT(first, 0);
  EXPECT_GT(third, 0);
  const auto expected = none + 2 * first + 0.5 * second + 3 * third;
  EXPECT_NEAR(with({2, 0.5, 3}), expected, 1e-5 * expected);
}

TEST_P(ClassWeights, OfOneChangeNothingAndOthersOnlyTheirLoss) {
  const auto& [name, loss, settings] = GetParam();
  const auto model = made(name, settings);
  const auto plain = losses_with(*model, {}), ones = losses_with(*model, torch::ones({3})),
             others = losses_with(*model, torch::tensor({2.0F, 0.5F, 3.0F}));
  for (size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(plain[i].second.item<double>(), ones[i].second.item<double>()) << plain[i].first;
    if (plain[i].first == loss)
      EXPECT_NE(plain[i].second.item<double>(), others[i].second.item<double>());
    else
      EXPECT_EQ(plain[i].second.item<double>(), others[i].second.item<double>()) << plain[i].first;
  }
}

INSTANTIATE_TEST_SUITE_P(Detection, ClassWeights, testing::ValuesIn(kFamilies), [](const auto& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(ClassWeights, ReachTheLogitsOfTheirClass) {
  for (const auto* name : {"yolov8n", "yolo26n"}) {
    const auto model = made(name, "width = 0.125");
    part(losses_with(*model, {}), "cls");
    for (const auto& [key, loss] : losses_with(*model, torch::tensor({0.0F, 1.0F, 0.0F})))
      if (key == "cls") loss.backward();
    int64_t seen = 0;
    for (const auto& parameter : model->named_parameters()) {
      if (parameter.key().find("cv3.") == std::string::npos || parameter.value().dim() != 1 ||
          parameter.value().size(0) != 3)
        continue;
      const auto grad = parameter.value().grad();
      EXPECT_EQ(grad[0].item<float>(), 0) << parameter.key();
      EXPECT_NE(grad[1].item<float>(), 0) << parameter.key();
      EXPECT_EQ(grad[2].item<float>(), 0) << parameter.key();
      ++seen;
    }
    EXPECT_GE(seen, 3) << name;
  }
}

// Cross entropy is a mean in weights: (B + k O) / (b + k o), B and b of the background's proposals, O and o of
// objects'.
TEST(ClassWeights, OfAnRcnnAreThoseOfAMean) {
  const auto model = made("fasterrcnn_mobilenet_v3_large_320_fpn", kRcnn);
  const auto with = [&](float k) { return part(losses_with(*model, torch::full({3}, k)), "loss_classifier"); };
  const auto plain = losses_with(*model, {});
  EXPECT_EQ(part(plain, "loss_classifier"), with(1));
  // In units of b: B = with(0), and two more give O and o.
  const auto none = with(0), one = with(1), two = with(2);
  const auto o = (2 * one - two - none) / (2 * (two - one)), objects = one * (1 + o) - none;
  EXPECT_GT(o, 0);
  EXPECT_NEAR(with(5), (none + 5 * objects) / (1 + 5 * o), 1e-4);
  // Class 1 has no object: its weight is nobody's.
  EXPECT_EQ(part(losses_with(*model, torch::tensor({1.0F, 9.0F, 1.0F})), "loss_classifier"), one);
  EXPECT_NE(part(losses_with(*model, torch::tensor({9.0F, 1.0F, 1.0F})), "loss_classifier"), one);
  const auto others = losses_with(*model, torch::tensor({9.0F, 1.0F, 1.0F}));
  for (const auto* name : {"loss_box_reg", "loss_objectness", "loss_rpn_box_reg"})
    EXPECT_EQ(part(others, name), part(plain, name)) << name;
}
