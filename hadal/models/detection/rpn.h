// Region proposals: which anchors may hold an object, of whatever class, and where it would be (Ren et al. 2015,
// arXiv:1506.01497).
#pragma once
#include <utility>
#include <vector>

#include "hadal/models/detection/anchors.h"
#include "hadal/models/detection/assign.h"
#include "hadal/nn/conv_norm.h"

namespace hadal {

struct RpnConfig {
  int64_t depth = 1;                                // 3x3 convolutions before the two outputs
  int64_t before_train = 2000, before_test = 1000;  // proposals of a level that suppression looks at
  int64_t after_train = 2000, after_test = 1000;    // proposals of a picture that stay
  double nms = 0.7, score = 0;                      // overlap from which of two one goes; least score
  double object = 0.7, background = 0.3;            // overlaps from which, and below which, an anchor counts so
  int64_t sampled = 256;
  double sampled_objects = 0.5;

  static Fields<RpnConfig> fields();
  void validate() const;
};

/// What a picture's proposals were found on.
struct Scene {
  std::vector<Tensor> features;                    // levels (B, C, h, w), the finest first
  std::vector<std::pair<int64_t, int64_t>> sizes;  // height and width of each picture
  int64_t height = 0, width = 0;                   // of the batch
};

/// Names are torchvision's RegionProposalNetwork: head.conv, head.cls_logits, head.bbox_pred.
struct RpnImpl : nn::Module {
  RpnImpl(const RpnConfig& config, const AnchorConfig& anchors, int64_t channels, size_t levels);
  /// A picture's proposals (N, 4), best first, without gradient. With targets also adds loss_objectness and
  /// loss_rpn_box_reg to `losses`.
  std::vector<Tensor> forward(const Scene& scene, const std::vector<PictureTargets>* targets, TensorsByName& losses);

 private:
  std::vector<Tensor> proposals(const Scene& scene, const std::vector<Tensor>& anchors,
                                const std::vector<Tensor>& objectness, const std::vector<Tensor>& deltas) const;
  void add_losses(const Tensor& anchors, const Tensor& objectness, const Tensor& deltas,
                  const std::vector<PictureTargets>& targets, TensorsByName& losses) const;

  RpnConfig config_;
  Anchors anchors_;
  nn::Sequential conv_;
  nn::Conv2d cls_logits_{nullptr}, bbox_pred_{nullptr};
};
TORCH_MODULE(Rpn);

/// The sum over coordinates of |d| beyond 1/9, d^2 within (Girshick 2015, arXiv:1504.08083, with beta = 1/9).
Tensor box_distance(const Tensor& deltas, const Tensor& wanted);

}  // namespace hadal
