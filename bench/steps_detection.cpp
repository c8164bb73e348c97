// Detectors: whole training steps with assignment and losses, and finding with all that follows the network.
#include "hadal/core/precision.h"
#include "hadal/models/detection/detection_model.h"

#include "bench/steps.h"

namespace hadal::bench {
namespace {

/// A batch of random pictures, each with the same boxes; masks, where the model has them, that fill the picture.
class RandomScenes : public Task {
 public:
  RandomScenes(const Settings& settings, const std::string& model, int64_t classes, int64_t batch, int64_t height,
               int64_t width, const Tensor& boxes, const Tensor& labels)
      : model_(detectors().make(Part{model, Table{{"classes", classes}}})),
        pixels_(laid_out(settings, torch::rand({batch, 3, height, width}))),
        sizes_(torch::tensor({height, width}).repeat({batch, 1})) {
    lay_out(settings, *model_);
    const auto count = boxes.size(0);
    targets_.boxes = boxes.repeat({batch, 1});
    targets_.labels = labels.repeat({batch});
    targets_.owner = torch::arange(batch).repeat_interleave(count);
    if (model_->has_masks()) targets_.masks = torch::ones({batch * count, height, width}, torch::kUInt8);
  }
  nn::Module& model() override { return *model_; }
  Batches& batches() override { return batches_; }
  Losses losses(const Step&) override {
    Losses out;
    for (const auto& [name, loss] : model_->losses(pixels_, sizes_, targets_))
      out.total = out.total.defined() ? out.total + loss : loss;
    return out;
  }
  void find(const FindOptions& options) { model_->find(pixels_, sizes_, options); }

 private:
  std::shared_ptr<DetectionModel> model_;
  Tensor pixels_, sizes_;
  Targets targets_;
  OneBatch batches_{pixels_.size(0)};
};

/// Eight boxes of four classes in a picture of 320.
RandomScenes yolo_scenes(const Settings& settings, int64_t batch, int64_t side) {
  auto boxes = torch::zeros({8, 4});
  for (int64_t i = 0; i < 8; ++i)
    boxes[i] = torch::tensor({8.0 + 34 * static_cast<double>(i), 20.0 + 15 * static_cast<double>(i),
                              40.0 + 34 * static_cast<double>(i), 80.0 + 25 * static_cast<double>(i)});
  return {settings, "yolov8n", 4, batch, side, side, boxes, torch::arange(8) % 4};
}

/// Two objects in pictures of 480 x 640, enlarged to 800 x 1088 as the family's program does, or as they come.
RandomScenes mask_scenes(const Settings& settings, int64_t batch) {
  const auto boxes = torch::tensor({{10.0, 20.0, 200.0, 300.0}, {100.0, 50.0, 400.0, 400.0}}).to(torch::kFloat32);
  return {settings, "maskrcnn_resnet50_fpn", 4, batch, 800, 1088, boxes * (800.0 / 480), torch::tensor({0, 1})};
}

void infer(const Settings& settings, const std::string& work, RandomScenes task, const FindOptions& options) {
  task.model().eval();
  time_calls(settings, work, 2, [&] {
    const torch::NoGradGuard no_grad;
    const Autocast autocast(torch::kCPU, settings.precision);
    task.find(options);
  });
}

}  // namespace

std::vector<Work> detection_work() {
  return {
      {"yolov8n-train",
       [](const Settings& s, const std::string& name) {
         auto task = yolo_scenes(s, 8, 320);
         train(s, name, task, 8, {"sgd", Table{{"lr", 1e-3}, {"momentum", 0.9}}}, 0);
       }},
      {"yolov8n-infer", [](const Settings& s, const std::string& name) { infer(s, name, yolo_scenes(s, 1, 640), {}); }},
      {"maskrcnn-train",
       [](const Settings& s, const std::string& name) {
         auto task = mask_scenes(s, 2);
         train(s, name, task, 2, {"sgd", Table{{"lr", 1e-4}}}, 0);
       }},
      {"maskrcnn-infer", [](const Settings& s, const std::string& name) {
         infer(s, name, mask_scenes(s, 1), {.conf = 0.05, .iou = 0.5, .most = 100});
       }}};
}

}  // namespace hadal::bench
