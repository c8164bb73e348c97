// YOLO: one network over the picture at three strides that says boxes, classes and, by its head, masks or keypoints.
// v5 with anchor boxes (2021, the layout of yolov5's own files), v8, 11 and 26 without; names are ultralytics'.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "hadal/models/detection/detection_model.h"
#include "hadal/models/detection/yolo_head.h"
#include "hadal/models/detection/yolo_table.h"

namespace hadal {

struct YoloConfig {
  std::string family = "v8", size = "n";
  int64_t classes = 80;
  bool masks = false;
  int64_t keypoints = 0, keypoint_dims = 3;
  double depth = 0, width = 0;  // 0: the size's own
  int64_t most_channels = 0;

  static Fields<YoloConfig> fields();
  void validate() const;
  yolo::Scale scale() const;
};

struct YoloImpl : DetectionModel {
  explicit YoloImpl(const YoloConfig& config);

  /// "box", "cls" and what the family has besides (obj; dfl or l1; seg, sem; pose, kobj, rle), multiplied by gains and
  /// the number of pictures, as the reference differentiates them. Throws Error where the data lacks masks or keypoints
  /// that the model learns.
  TensorsByName losses(const Tensor& pixels, const Tensor& sizes, const Targets& targets) override;
  std::vector<Found> find(const Tensor& pixels, const Tensor& sizes, const FindOptions& options) override;
  Preparation preparation() const override { return {}; }
  FindOptions usual() const override { return {.iou = config_.family == "v5" ? 0.45 : 0.7}; }
  int64_t keypoints() const override { return config_.keypoints; }
  bool has_masks() const override { return config_.masks; }
  void progress(double share) override { progress_ = share; }
  std::vector<std::string> heads() const override;

  /// What find() chooses from: (B, A, 4 + classes [+ 32 | + 3 K]), boxes x1 y1 x2 y2 in pixels, scores, and mask
  /// coefficients or keypoints; (B, 32, h, w) mask prototypes or undefined.
  std::pair<Tensor, Tensor> predictions(const Tensor& pixels);

 private:
  struct Layer {
    std::vector<int64_t> from;
    yolo::BlockPtr block;  // null: enlarge (one input) or join (several)
  };
  std::vector<Tensor> features(const Tensor& pixels) const;

  YoloConfig config_;
  const yolo::Family& family_;
  std::vector<Layer> layers_;
  std::shared_ptr<yolo::Head> head_;
  std::shared_ptr<yolo::AnchorHead> anchor_head_;
  double progress_ = 0;
};
TORCH_MODULE(Yolo);

/// yolov5n ... yolov5x; yolov8n, yolov8n-seg, yolov8n-pose, yolo11n, ..., yolo26x-pose.
void register_yolo(DetectionCatalog& catalog);

/// What an ultralytics file says of its network, {"yaml": {"nc", "backbone", "head", "scale" or "depth_multiple" and
/// "width_multiple", ...}, "names"} -> a preset and its settings. Throws Error where it is none of Hadal's, naming the
/// first module that differs.
Part yolo_settings(const nlohmann::json& model);

}  // namespace hadal
