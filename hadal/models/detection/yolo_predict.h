// From what a YOLO head computes to boxes, and from all boxes to those that were found.
#pragma once
#include <vector>

#include "hadal/models/detection/detection_model.h"
#include "hadal/models/detection/yolo_head.h"

namespace hadal::yolo {

/// In floats at least, whatever the network computes in: bfloat16 cannot tell neighbouring pixels apart.
Tensor full(const Tensor& tensor);
Raw full(const Raw& raw);

/// Where the A predictions of all levels stand.
struct Grid {
  Tensor points;   // (A, 2): x and y of the cells' centres, in strides
  Tensor strides;  // (A, 1)
};
Grid grid_of(const std::vector<std::array<int64_t, 2>>& levels, const at::TensorOptions& options);

/// boxes (..., 4 bins) as a head gives them -> (..., 4) distances to the sides, in strides. `values` are the bins'
/// distances; undefined: 0, 1, ...
Tensor distances(const Tensor& boxes, int64_t bins, const Tensor& values = {});
/// Distances left, top, right, bottom (..., 4) from points (..., 2) -> x1 y1 x2 y2.
Tensor box_around(const Tensor& points, const Tensor& distances);
/// keypoints (B, A, K, dims), points (A, 2) -> x and y in strides, the rest as it was.
Tensor keypoints_at(const Tensor& keypoints, const Tensor& points, bool end_to_end);

/// All predictions of a batch, in pixels of the prepared picture.
struct Predicted {
  Tensor boxes;         // (B, A, 4)
  Tensor scores;        // (B, A, classes), 0 to 1
  Tensor coefficients;  // (B, A, 32)
  Tensor keypoints;     // (B, A, K, 3)
  Tensor prototypes;    // (B, 32, h, w)
};
/// Of the one-to-one branch where the head has one.
Predicted decode(const Head& head, const Outputs& outputs);
Predicted decode(const AnchorHead& head, const std::vector<Tensor>& levels);

/// The best class of each prediction, or with multi_label each that scores more than conf, then class-wise NMS; end to
/// end: the best scores as they are. Boxes are cut off at the picture's height and width.
std::vector<Found> choose(const Predicted& all, bool end_to_end, const FindOptions& options, int64_t height,
                          int64_t width);

}  // namespace hadal::yolo
