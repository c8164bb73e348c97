// Each kind of head learns two objects of one picture, and then finds them.
#include "hadal/models/detection/darknet.h"
#include "hadal/models/detection/yolox.h"
#include "hadal/ops/boxes.h"
#include "hadal/optim/optimizer.h"

#include "tests/models/hash_weights.h"
#include "tests/support/support.h"

using namespace hadal;
using namespace hadal::test;

namespace {

/// Three halvings, then a head on cells of 8 pixels.
std::string net(int64_t filters, const std::string& head) {
  std::string text = "[net]\nwidth=64\nheight=64\n";
  for (const int width : {8, 16, 32})
    text += fmt::format("[convolutional]\nbatch_normalize=1\nfilters={}\nsize=3\nstride=2\npad=1\nactivation=leaky\n",
                        width);
  return text + fmt::format("[convolutional]\nfilters={}\nactivation=linear\n", filters) + head;
}

struct Learner {
  const char* name;
  std::shared_ptr<DetectionModel> (*make)();
};
void PrintTo(const Learner& learner, std::ostream* out) { *out << learner.name; }

std::shared_ptr<DetectionModel> yolo(const std::string& loss) {
  return std::make_shared<DarknetImpl>(DarknetConfig{
      .cfg = net(14, "[yolo]\nclasses=2\nnum=2\nmask=0,1\nanchors=16,16,30,20\niou_normalizer=2\n" + loss)});
}

class Learns : public testing::TestWithParam<Learner> {};

TEST_P(Learns, TwoObjectsByHeart) {
  torch::manual_seed(1);
  const auto model = GetParam().make();
  auto pixels = uniform("picture", {1, 3, 64, 64}, 0.2, 0.5);
  const auto boxes = torch::tensor({{6.0F, 8.0F, 22.0F, 26.0F}, {30.0F, 34.0F, 58.0F, 54.0F}});
  pixels.slice(2, 8, 26).slice(3, 6, 22).mul_(0.2);
  pixels.slice(2, 34, 54).slice(3, 30, 58).add_(0.5);
  const auto sizes = torch::tensor({{64, 64}}), labels = torch::tensor({1, 0});
  const Targets targets{boxes, labels, torch::zeros({2}, torch::kInt64), {}, {}};
  TensorsByName named;
  for (const auto& parameter : model->named_parameters()) named.emplace_back(parameter.key(), parameter.value());
  const auto optimizer = optimizers().make({"adam", Table({{"lr", 0.01}})}, {{named}});
  for (int i = 0; i < 100; ++i) {
    auto sum = torch::zeros({});
    for (const auto& [name, loss] : model->losses(pixels, sizes, targets)) sum = sum + loss;
    optimizer->zero_grad();
    sum.backward();
    optimizer->step({});
  }
  // Four values a channel at stride 32: too few for running statistics to be those of the picture.
  if (std::string(GetParam().name) != "yolox") model->eval();
  const auto found = model->find(pixels, sizes, {.conf = 0.3, .iou = 0.5})[0];
  ASSERT_GE(found.boxes.size(0), 2);
  const auto overlaps = box_iou(boxes, found.boxes);
  for (int64_t i = 0; i < 2; ++i) {
    const auto best = overlaps[i].argmax().item<int64_t>();
    EXPECT_GT(overlaps[i][best].item<float>(), 0.7) << found.boxes;
    EXPECT_EQ(found.labels[best].item<int64_t>(), labels[i].item<int64_t>());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Heads, Learns,
    testing::Values(Learner{"region",
                            [] {
                              return std::shared_ptr<DetectionModel>(std::make_shared<DarknetImpl>(DarknetConfig{
                                  .cfg = net(14,
                                             "[region]\nclasses=2\nnum=2\nanchors=2,2,3.5,2.5\nsoftmax=1\n"
                                             "object_scale=5\nrescore=1\n")}));
                            }},
                    Learner{"squared", [] { return yolo(""); }},
                    Learner{"ciou", [] { return yolo("iou_loss=ciou\nscale_x_y=1.1\niou_thresh=0.4\n"); }},
                    Learner{"yolox",
                            [] {
                              return std::shared_ptr<DetectionModel>(std::make_shared<YoloxImpl>(
                                  YoloxConfig{.classes = 2, .depth = 0.33, .width = 0.125, .closing = 1}));
                            }}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
