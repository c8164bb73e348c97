// Faster R-CNN (Ren et al. 2015, arXiv:1506.01497), Mask R-CNN and Keypoint R-CNN (He et al. 2017, arXiv:1703.06870) on
// a feature pyramid; v2 after Li et al. 2021 (arXiv:2111.11429). Names are torchvision's.
#pragma once
#include "hadal/models/detection/backbone.h"
#include "hadal/models/detection/roi_heads.h"

namespace hadal {

struct RcnnConfig {
  int64_t classes = 90, keypoints = 0;  // 90: COCO's, numbered with its gaps, less 1
  bool masks = false;
  bool pyramid_norm = false;  // batch norms in the feature pyramid
  int64_t size = 800, longest = 1333;
  BackboneConfig backbone;
  AnchorConfig anchors;
  RpnConfig rpn;
  RoiConfig roi;

  static Fields<RcnnConfig> fields();
  void validate() const;
};

/// Losses: loss_objectness, loss_rpn_box_reg, loss_classifier, loss_box_reg; loss_mask; loss_keypoint. Which proposals
/// are drawn follows from torch's generator. Masks that are found are 28 x 28 in their boxes. A keypoint's score is the
/// sigmoid of its map's highest logit.
struct RcnnImpl : DetectionModel {
  explicit RcnnImpl(const RcnnConfig& config);
  TensorsByName losses(const Tensor& pixels, const Tensor& sizes, const Targets& targets) override;
  std::vector<Found> find(const Tensor& pixels, const Tensor& sizes, const FindOptions& options) override;
  Preparation preparation() const override;
  FindOptions usual() const override { return {.iou = 0.5, .most = 100}; }
  int64_t keypoints() const override { return config_.keypoints; }
  bool has_masks() const override { return config_.masks; }
  std::vector<std::string> heads() const override;
  TensorsByName own_names(const TensorsByName& weights) const override;

 private:
  Scene see(const Tensor& pixels, const Tensor& sizes);

  RcnnConfig config_;
  Backbone backbone_{nullptr};
  Rpn rpn_{nullptr};
  RoiHeads roi_heads_{nullptr};
};
TORCH_MODULE(Rcnn);

/// What torchvision's detectors want: the shorter side 800, at most 1333, ImageNet's mean and deviation.
Preparation torchvision_preparation(int64_t size, int64_t longest);

/// fasterrcnn_*, maskrcnn_* and keypointrcnn_*.
void register_rcnn(DetectionCatalog& catalog);

}  // namespace hadal
