// RetinaNet (Lin et al. 2017, arXiv:1708.02002): every anchor of a feature pyramid is classified at once, with a loss
// that looks past the many easy ones; v2 with group norms and GIoU after Zhang et al. 2020 (arXiv:1912.02424). Names
// are torchvision's.
#pragma once
#include "hadal/models/detection/anchors.h"
#include "hadal/models/detection/assign.h"
#include "hadal/models/detection/backbone.h"

namespace hadal {

struct RetinaNetConfig {
  int64_t classes = 90;         // COCO's, numbered with its gaps, less 1
  bool group_norm = false;      // in the heads
  bool giou = false;            // boxes' loss: 1 - GIoU instead of the deltas' distance
  bool top_on_network = false;  // the two coarsest levels stand on the network's last stage, not on the pyramid
  double object = 0.5, background = 0.4;
  int64_t candidates = 1000;  // of a level that suppression looks at
  int64_t size = 800, longest = 1333;
  BackboneConfig backbone;
  AnchorConfig anchors{.sizes = {32, 40, 50, 64, 80, 101, 128, 161, 203, 256, 322, 406, 512, 645, 812}};

  static Fields<RetinaNetConfig> fields();
  void validate() const;
};

/// Losses: classification (focal, alpha 0.25, gamma 2), bbox_regression. Like torchvision's there is one class more
/// than `classes`, the first, which nothing is ever taught and which is not looked at.
struct RetinaNetImpl : DetectionModel {
  explicit RetinaNetImpl(const RetinaNetConfig& config);
  TensorsByName losses(const Tensor& pixels, const Tensor& sizes, const Targets& targets) override;
  std::vector<Found> find(const Tensor& pixels, const Tensor& sizes, const FindOptions& options) override;
  Preparation preparation() const override;
  FindOptions usual() const override { return {.iou = 0.5, .most = 300}; }
  std::vector<std::string> heads() const override { return {"head.classification_head.cls_logits"}; }
  TensorsByName own_names(const TensorsByName& weights) const override;

 private:
  /// Levels: class logits (B, A_i, classes + 1), deltas (B, A_i, 4), anchors (A_i, 4).
  struct Seen {
    std::vector<Tensor> logits, deltas, anchors;
  };
  Seen see(const Tensor& pixels, const std::vector<std::pair<int64_t, int64_t>>& sizes);
  Found best(const Seen& seen, int64_t picture, int64_t height, int64_t width, const FindOptions& options) const;

  RetinaNetConfig config_;
  Backbone backbone_{nullptr};
  std::optional<Anchors> anchors_;
  nn::Sequential class_conv_, box_conv_;
  nn::Conv2d cls_logits_{nullptr}, bbox_reg_{nullptr};
};
TORCH_MODULE(RetinaNet);

/// retinanet_resnet50_fpn and its v2.
void register_retinanet(DetectionCatalog& catalog);

}  // namespace hadal
