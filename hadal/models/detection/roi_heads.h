// The second stage of an R-CNN: what each proposal shows, where exactly, and for the objects found their masks (He et
// al. 2017, arXiv:1703.06870) and keypoints.
#pragma once
#include "hadal/models/detection/roi_features.h"
#include "hadal/nn/linear.h"

namespace hadal {

struct RoiConfig {
  bool convolutions = false;     // the box head has four 3x3 convolutions and one linear layer, not two linear ones
  bool norm = false;             // batch norms in the convolutions of box and mask heads
  int64_t hidden = 1024;         // of the linear layers
  int64_t mask_channels = 256;   // of the four convolutions before a mask
  int64_t point_channels = 512;  // of the eight convolutions before a keypoint's map
  double object = 0.5;           // overlap from which a proposal stands for an object
  int64_t sampled = 512;
  double sampled_objects = 0.25;

  static Fields<RoiConfig> fields();
};

struct RoiShape {
  int64_t channels = 256, classes = 90, keypoints = 0;
  bool masks = false;
  size_t levels = 4;  // of the pyramid that are looked at
};

/// Names are torchvision's RoIHeads. Class 0 is its background: ours are one less.
struct RoiHeadsImpl : nn::Module {
  RoiHeadsImpl(const RoiConfig& config, const RoiShape& shape);
  /// Adds loss_classifier and loss_box_reg, and where there are masks and keypoints loss_mask and loss_keypoint.
  /// `class_weights` (classes + 1), the background's first: how much each counts in loss_classifier; undefined: alike.
  void add_losses(const Scene& scene, const std::vector<Tensor>& proposals, const std::vector<PictureTargets>& targets,
                  const Tensor& class_weights, TensorsByName& losses);
  std::vector<Found> find(const Scene& scene, const std::vector<Tensor>& proposals, const FindOptions& options);

 private:
  /// Class logits (N, classes + 1) and deltas (N, 4 (classes + 1)).
  std::pair<Tensor, Tensor> boxes_of(const Scene& scene, const std::vector<Tensor>& proposals);
  Tensor mask_logits(const Scene& scene, const std::vector<Tensor>& boxes);   // (N, classes + 1, 28, 28)
  Tensor point_logits(const Scene& scene, const std::vector<Tensor>& boxes);  // (N, K, 56, 56)
  Found best(const Tensor& logits, const Tensor& deltas, const Tensor& proposals, int64_t height, int64_t width,
             const FindOptions& options) const;

  RoiConfig config_;
  RoiShape shape_;
  nn::Sequential box_head_, mask_head_, keypoint_head_;
  Linear cls_score_{nullptr}, bbox_pred_{nullptr};
  nn::ConvTranspose2d conv5_mask_{nullptr}, kps_score_lowres_{nullptr};
  nn::Conv2d mask_fcn_logits_{nullptr};
};
TORCH_MODULE(RoiHeads);

/// masks (T, H, W), of which `object` (N) names one for each box (N, 4) -> (N, size, size): what of it lies in the box.
Tensor masks_in_boxes(const Tensor& masks, const Tensor& object, const Tensor& boxes, int64_t size);

/// Keypoints (N, K, 3) of boxes (N, 4) -> places (N, K) int64 in maps of size by size that span the boxes, and whether
/// each is visible and in its box.
std::pair<Tensor, Tensor> places_in_maps(const Tensor& keypoints, const Tensor& boxes, int64_t size);

/// maps (N, K, h, w) over boxes (N, 4) -> (N, K, 3): x, y and the logit where each map, brought to its box's size, is
/// highest. torchvision's heatmaps_to_keypoints.
Tensor highest_points(const Tensor& maps, const Tensor& boxes);

}  // namespace hadal
