// YOLOX (Ge et al. 2021, arXiv:2107.08430): a CSPDarknet, a path-aggregating pyramid and a head that tells what and
// where apart, without anchors; SimOTA gives each object its cells.
#pragma once
#include <array>
#include <vector>

#include "hadal/models/detection/detection_model.h"

namespace hadal {

struct YoloxConfig {
  int64_t classes = 80;
  double depth = 1, width = 1;  // of YOLOX-l
  bool depthwise = false;       // nano: 3x3 convolutions channel by channel
  int64_t size = 640;           // pictures that the published weights were trained on
  double closing = 0.05;        // the last share of a run, in which the L1 loss joins

  static Fields<YoloxConfig> fields();
  void validate() const;
};

/// What the network says of each cell, the levels one after the other.
struct YoloxCells {
  Tensor raw;      // (B, N, 5 + classes): x, y, w, h, objectness, classes as they leave the convolutions
  Tensor corners;  // (N, 2): column and row of the cell
  Tensor strides;  // (N, 1): its side in pixels
  Tensor boxes;    // (B, N, 4): x1 y1 x2 y2 in pixels
};

struct YoloxBackboneImpl;
struct YoloxHeadImpl;

/// Names are those of Megvii's checkpoints; BatchNorm has eps 1e-3 and momentum 0.03.
struct YoloxImpl : DetectionModel {
  explicit YoloxImpl(const YoloxConfig& config);

  /// pixels (B, 3, H, W), blue first, 0 to 255, sides multiples of 32 -> (B, N, 5 + classes): x1 y1 x2 y2 in pixels,
  /// objectness, probabilities of classes where there is an object.
  Tensor forward(const Tensor& pixels);
  YoloxCells cells(const Tensor& pixels);

  /// box (5 (1 - iou^2)), objectness, classes and l1, the latter 0 before the closing part: each per assigned cell.
  TensorsByName losses(const Tensor& pixels, const Tensor& sizes, const Targets& targets) override;
  std::vector<Found> find(const Tensor& pixels, const Tensor& sizes, const FindOptions& options) override;
  Preparation preparation() const override;
  FindOptions usual() const override { return {.iou = 0.65, .most = 300}; }
  std::vector<std::string> heads() const override { return {"head.cls_preds."}; }
  void progress(double share) override { share_ = share; }

 private:
  YoloxConfig config_;
  double share_ = 0;
  std::shared_ptr<YoloxBackboneImpl> backbone_;
  std::shared_ptr<YoloxHeadImpl> head_;
};
TORCH_MODULE(Yolox);

/// Which cells learn what, of one picture.
struct YoloxMatch {
  Tensor cells;    // (M) int64, rising
  Tensor objects;  // (M) int64: whose
  Tensor overlap;  // (M): of the predicted box with it
};
/// SimOTA: boxes (T, 4) with labels (T) and the picture's cells (`picture` of the batch). Cells whose centre lies in a
/// box or within 2.5 strides of its middle may learn it; each object takes as many of the cheapest (its overlap and
/// class losses) as its ten best overlaps sum up to, and of objects that want one cell the cheapest has it.
YoloxMatch simota(const YoloxCells& cells, int64_t picture, const Tensor& boxes, const Tensor& labels);

/// yolox-nano, tiny, s, m, l, x.
void register_yolox(DetectionCatalog& catalog);

}  // namespace hadal
