// What every detector must do, in a small build of it.
#include <ATen/autocast_mode.h>

#include "hadal/models/detection/detection_model.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

std::shared_ptr<DetectionModel> small(const std::string& name, Table more = {}) {
  const auto& item = detectors().at(name);
  Table settings =
      parse_toml("classes = 3\n[backbone]\nlayers = [1, 1, 1, 1]\nwidth_multiplier = 0.5\npyramid = 32\n", "small");
  const auto merge = [&](const char* text) { settings.merge(parse_toml(text, "small")); };
  if (item.schema.find("rpn"))
    merge(
        "[rpn]\nafter_train = 50\nafter_test = 30\n[roi]\nhidden = 32\nmask_channels = 16\npoint_channels = 16\n"
        "sampled = 32\n");
  settings.merge(more);
  torch::manual_seed(0);
  return detectors().make({name, settings});
}

const Tensor kSizes = torch::tensor({{64, 96}, {60, 70}}, torch::kInt64);

Tensor pixels() { return uniform("pixels", {2, 3, 64, 96}); }

Targets two_objects(const DetectionModel& model, int64_t count = 2) {
  Targets out;
  out.boxes = torch::tensor({{4.0F, 6.0F, 50.0F, 60.0F}, {10.0F, 10.0F, 40.0F, 50.0F}}).slice(0, 0, count);
  out.labels = torch::tensor({int64_t{0}, int64_t{2}}).slice(0, 0, count);
  out.owner = torch::tensor({int64_t{0}, int64_t{1}}).slice(0, 0, count);
  if (model.has_masks()) out.masks = torch::ones({count, 64, 96}, torch::kUInt8);
  if (model.keypoints() > 0) out.keypoints = torch::full({count, model.keypoints(), 3}, 20.0F);
  return out;
}

double sum_of(const TensorsByName& losses) {
  double sum = 0;
  for (const auto& [name, loss] : losses) {
    EXPECT_EQ(loss.dim(), 0) << name;
    EXPECT_TRUE(loss.isfinite().item<bool>()) << name;
    sum += loss.item<double>();
  }
  return sum;
}

void step(const TensorsByName& losses) {
  Tensor sum;
  for (const auto& [name, loss] : losses) sum = sum.defined() ? sum + loss : loss;
  sum.backward();
}

class Detectors : public testing::TestWithParam<std::string> {};

}  // namespace

TEST_P(Detectors, GivesEveryWeightAGradient) {
  const auto model = small(GetParam());
  // Anchors and proposals that fit by chance alone: first deltas are zero, so every box near an object counts.
  step(model->losses(pixels(), kSizes, two_objects(*model)));
  for (const auto& parameter : model->named_parameters()) {
    ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
    EXPECT_TRUE(parameter.value().grad().isfinite().all().item<bool>()) << parameter.key();
  }
}

TEST_P(Detectors, LearnsFromPicturesWithoutObjects) {
  const auto model = small(GetParam());
  step(model->losses(pixels(), kSizes, two_objects(*model, 1)));
  EXPECT_GT(sum_of(model->losses(pixels(), kSizes, two_objects(*model, 1))), 0);
  const auto losses = model->losses(pixels(), kSizes, two_objects(*model, 0));
  EXPECT_GT(sum_of(losses), 0);
  step(losses);
}

TEST_P(Detectors, FindsWithinThePictureAndWithinBounds) {
  const auto model = small(GetParam());
  model->eval();
  const auto found = model->find(pixels(), kSizes, {.conf = 0.001, .iou = 0.5, .most = 7});
  ASSERT_EQ(found.size(), 2);
  for (int64_t i = 0; i < 2; ++i) {
    const auto& one = found[static_cast<size_t>(i)];
    ASSERT_LE(one.boxes.size(0), 7);
    EXPECT_EQ(one.labels.scalar_type(), torch::kInt64);
    EXPECT_EQ(one.scores.scalar_type(), torch::kFloat32);
    if (one.boxes.size(0) == 0) continue;
    EXPECT_GE(one.boxes.min().item<float>(), 0);
    EXPECT_LE(one.boxes.select(1, 2).max().item<float>(), kSizes[i][1].item<float>());
    EXPECT_LE(one.boxes.select(1, 3).max().item<float>(), kSizes[i][0].item<float>());
    EXPECT_TRUE(one.labels.ge(0).all().item<bool>() && one.labels.lt(3).all().item<bool>());
    EXPECT_TRUE(one.scores.diff().le(0).all().item<bool>());
    if (one.keypoints.defined()) {
      const auto score = one.keypoints.select(2, 2);
      EXPECT_TRUE(score.ge(0).all().item<bool>() && score.le(1).all().item<bool>());
    }
  }
  const auto nothing = model->find(pixels(), kSizes, {.conf = 1.1});
  EXPECT_EQ(nothing[0].boxes.sizes(), (std::vector<int64_t>{0, 4}));
  if (model->has_masks()) EXPECT_EQ(nothing[0].masks.sizes(), (std::vector<int64_t>{0, 28, 28}));
}

TEST_P(Detectors, DoesTheSameForTheSameSeed) {
  const auto first = small(GetParam()), second = small(GetParam());
  torch::manual_seed(5);
  const auto a = sum_of(first->losses(pixels(), kSizes, two_objects(*first)));
  torch::manual_seed(5);
  const auto b = sum_of(second->losses(pixels(), kSizes, two_objects(*second)));
  EXPECT_EQ(a, b);
}

TEST_P(Detectors, DoesNotLookAtWhatFillsTheBatch) {
  const auto model = small(GetParam());
  model->eval();
  auto dirty = pixels();
  dirty[1].slice(1, 60).fill_(9);
  dirty[1].slice(2, 70).fill_(9);
  const auto clean = model->find(pixels(), kSizes, {.conf = 0.001}), same = model->find(dirty, kSizes, {.conf = 0.001});
  EXPECT_TRUE(torch::equal(clean[1].boxes, same[1].boxes));
  EXPECT_TRUE(torch::equal(clean[1].scores, same[1].scores));
}

TEST_P(Detectors, TrainsInHalfPrecisionToo) {
  const auto model = small(GetParam());
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const auto losses = model->losses(pixels(), kSizes, two_objects(*model));
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  EXPECT_GT(sum_of(losses), 0);
  for (const auto& [name, loss] : losses) EXPECT_EQ(loss.scalar_type(), torch::kFloat32) << name;
  step(losses);
}

INSTANTIATE_TEST_SUITE_P(Detection, Detectors,
                         testing::Values("fasterrcnn_resnet50_fpn", "fasterrcnn_mobilenet_v3_large_320_fpn",
                                         "maskrcnn_resnet50_fpn_v2", "maskrcnn_mobilenet_v3_large_fpn",
                                         "keypointrcnn_mobilenet_v3_large_fpn", "retinanet_resnet50_fpn",
                                         "retinanet_resnet50_fpn_v2"),
                         [](const auto& info) { return info.param; });

TEST(Rcnn, KeepsFrozenNorms) {
  const auto model = small("fasterrcnn_resnet50_fpn", parse_toml("[backbone]\nfrozen_norm = true\n", "test"));
  model->train();
  const auto before = model->named_buffers()["backbone.body.bn1.running_mean"].clone();
  step(model->losses(pixels(), kSizes, two_objects(*model)));
  EXPECT_TRUE(torch::equal(before, model->named_buffers()["backbone.body.bn1.running_mean"]));
  EXPECT_FALSE(model->named_parameters()["backbone.body.bn1.weight"].requires_grad());
  EXPECT_TRUE(model->named_parameters()["backbone.body.conv1.weight"].grad().defined());
}

TEST(Rcnn, ReadsNamesFromBeforeTorchvision013) {
  const auto one = torch::zeros({1});
  const auto named = [&](const std::string& model, const std::string& old) {
    return small(model)->own_names({{old, one}}).front().first;
  };
  const std::string mask = "maskrcnn_resnet50_fpn_v2", retina = "retinanet_resnet50_fpn";
  EXPECT_EQ(named(mask, "backbone.fpn.inner_blocks.2.bias"), "backbone.fpn.inner_blocks.2.0.bias");
  EXPECT_EQ(named(mask, "backbone.fpn.layer_blocks.0.0.weight"), "backbone.fpn.layer_blocks.0.0.weight");
  EXPECT_EQ(named(mask, "backbone.fpn.layer_blocks.0.1.weight"), "backbone.fpn.layer_blocks.0.1.weight");
  EXPECT_EQ(named(mask, "rpn.head.conv.weight"), "rpn.head.conv.0.0.weight");
  EXPECT_EQ(named(mask, "roi_heads.mask_head.mask_fcn3.weight"), "roi_heads.mask_head.2.0.weight");
  EXPECT_EQ(named(mask, "roi_heads.mask_head.2.0.weight"), "roi_heads.mask_head.2.0.weight");
  EXPECT_EQ(named(retina, "head.regression_head.conv.6.bias"), "head.regression_head.conv.3.0.bias");
  EXPECT_EQ(named(retina, "head.classification_head.conv.1.0.weight"), "head.classification_head.conv.1.0.weight");
}

TEST(Rcnn, SaysWhatIsMissing) {
  const auto mask = small("maskrcnn_mobilenet_v3_large_fpn"), point = small("keypointrcnn_mobilenet_v3_large_fpn");
  auto targets = two_objects(*mask);
  targets.masks = Tensor();
  EXPECT_ERROR(mask->losses(pixels(), kSizes, targets), "[rcnn] masks are to be learnt, but the data has none");
  EXPECT_ERROR(point->losses(pixels(), kSizes, targets),
               "[rcnn] 17 keypoints an object are to be learnt, but the data has 0");
  EXPECT_ERROR(small("fasterrcnn_resnet50_fpn", parse_toml("[anchors]\nsizes = [8, 16]\n", "test")),
               "[anchors] sizes (2) must share out among the pyramid's 5 levels");
  EXPECT_ERROR(small("fasterrcnn_resnet50_fpn", parse_toml("[rpn]\nbackground = 0.9\n", "test")),
               "[rpn] background (0.9) must not be above object (0.7)");
  EXPECT_ERROR(small("fasterrcnn_resnet50_fpn", parse_toml("[backbone]\nkind = \"vgg\"\n", "test")), "vgg");
}
