#include "hadal/models/detection/yolo_predict.h"

#include <algorithm>

#include "hadal/ops/boxes.h"
#include "hadal/ops/nms.h"

namespace hadal::yolo {
namespace {

/// More candidates than this do not go into NMS: the best do.
constexpr int64_t kMostCandidates = 30000;

struct Picked {
  Tensor places, labels, scores;
};

Picked pick_by_nms(const Tensor& boxes, const Tensor& scores, const FindOptions& options) {
  auto [best, labels] = scores.max(1);
  Tensor places;
  if (options.multi_label) {
    const auto pairs = (scores > options.conf).nonzero();
    places = pairs.select(1, 0);
    labels = pairs.select(1, 1);
    best = scores.index({places, labels});
  } else {
    places = (best > options.conf).nonzero().squeeze(1);
    best = best.index_select(0, places);
    labels = labels.index_select(0, places);
  }
  if (places.size(0) > kMostCandidates) {
    const auto most = std::get<1>(best.topk(kMostCandidates));
    places = places.index_select(0, most);
    best = best.index_select(0, most);
    labels = labels.index_select(0, most);
  }
  const auto kept =
      nms(boxes.index_select(0, places), best, labels, options.iou).slice(0, 0, options.most).to(places.device());
  return {places.index_select(0, kept), labels.index_select(0, kept), best.index_select(0, kept)};
}

/// The best predictions by their best class, among these the best pairs of prediction and class.
Picked pick_best(const Tensor& scores, const FindOptions& options) {
  const auto classes = scores.size(1), most = std::min(options.most, scores.size(0));
  const auto rows = std::get<1>(std::get<0>(scores.max(1)).topk(most));
  const auto [best, pairs] = scores.index_select(0, rows).flatten().topk(most);
  const auto places = rows.index_select(0, pairs.floor_divide(classes));
  const auto good = (best > options.conf).nonzero().squeeze(1);
  return {places.index_select(0, good), pairs.remainder(classes).index_select(0, good), best.index_select(0, good)};
}

}  // namespace

Tensor full(const Tensor& tensor) {
  return tensor.defined() && tensor.element_size() < 4 ? tensor.to(torch::kFloat32) : tensor;
}

Raw full(const Raw& raw) {
  return {full(raw.boxes), full(raw.scores), full(raw.coefficients), full(raw.keypoints), full(raw.sigma)};
}

Grid grid_of(const std::vector<std::array<int64_t, 2>>& levels, const at::TensorOptions& options) {
  std::vector<Tensor> points, strides;
  for (size_t i = 0; i < levels.size(); ++i) {
    const auto [height, width] = levels[i];
    const auto cells =
        torch::meshgrid({torch::arange(height, options) + 0.5, torch::arange(width, options) + 0.5}, "ij");
    points.push_back(torch::stack({cells[1], cells[0]}, -1).view({-1, 2}));
    strides.push_back(torch::full({height * width, 1}, kStrides[i], options));
  }
  return {torch::cat(points), torch::cat(strides)};
}

Tensor distances(const Tensor& boxes, int64_t bins, const Tensor& values) {
  if (bins == 1) return boxes;
  auto shape = boxes.sizes().vec();
  shape.back() = 4;
  shape.push_back(bins);
  const auto each = values.defined() ? values.flatten().to(boxes.options()) : torch::arange(bins, boxes.options());
  return boxes.reshape(shape).softmax(-1).matmul(each);
}

Tensor box_around(const Tensor& points, const Tensor& distances) {
  const auto sides = distances.chunk(2, -1);
  return torch::cat({points - sides[0], points + sides[1]}, -1);
}

Tensor keypoints_at(const Tensor& keypoints, const Tensor& points, bool end_to_end) {
  const auto at = points.unsqueeze(1);  // (A, 1, 2)
  const auto xy = keypoints.slice(-1, 0, 2);
  return torch::cat({end_to_end ? xy + at : xy * 2 + (at - 0.5), keypoints.slice(-1, 2)}, -1);
}

Predicted decode(const Head& head, const Outputs& outputs) {
  const auto& shape = head.shape;
  const auto raw = full(shape.end_to_end ? outputs.one : outputs.many);
  const auto grid = grid_of(outputs.levels, raw.boxes.options());
  Predicted all;
  all.boxes = box_around(grid.points, distances(raw.boxes.transpose(1, 2), shape.bins, head.bins)) * grid.strides;
  all.scores = raw.scores.transpose(1, 2).sigmoid();
  all.prototypes = full(outputs.prototypes);
  if (raw.coefficients.defined()) all.coefficients = raw.coefficients.transpose(1, 2);
  if (!raw.keypoints.defined()) return all;
  const auto values =
      raw.keypoints.transpose(1, 2).reshape({raw.keypoints.size(0), -1, shape.keypoints, shape.keypoint_dims});
  const auto placed = keypoints_at(values, grid.points, shape.end_to_end);
  const auto xy = placed.slice(-1, 0, 2) * grid.strides.unsqueeze(1);
  const auto seen = shape.keypoint_dims > 2 ? placed.slice(-1, 2, 3).sigmoid() : torch::ones_like(xy.slice(-1, 0, 1));
  all.keypoints = torch::cat({xy, seen}, -1);
  return all;
}

Predicted decode(const AnchorHead& head, const std::vector<Tensor>& levels) {
  std::vector<Tensor> boxes, scores;
  for (size_t i = 0; i < levels.size(); ++i) {
    const auto y = full(levels[i]).sigmoid();  // (B, 3, h, w, 5 + classes)
    const auto stride = static_cast<double>(kStrides[i]);
    const auto grid = grid_of({{y.size(2), y.size(3)}}, y.options());
    const auto cells = grid.points.view({y.size(2), y.size(3), 2});
    const auto centre = (y.slice(-1, 0, 2) * 2 - 1 + cells) * stride;  // from half a cell before it to half behind it
    const auto size =
        (y.slice(-1, 2, 4) * 2).square() * (head.anchors[static_cast<int64_t>(i)] * stride).view({3, 1, 1, 2});
    boxes.push_back(torch::cat({centre - size / 2, centre + size / 2}, -1).flatten(1, 3));
    scores.push_back((y.slice(-1, 5) * y.slice(-1, 4, 5)).flatten(1, 3));
  }
  return {.boxes = torch::cat(boxes, 1),
          .scores = torch::cat(scores, 1),
          .coefficients = {},
          .keypoints = {},
          .prototypes = {}};
}

std::vector<Found> choose(const Predicted& all, bool end_to_end, const FindOptions& options, int64_t height,
                          int64_t width) {
  std::vector<Found> found;
  for (int64_t i = 0; i < all.boxes.size(0); ++i) {
    const auto boxes = all.boxes[i], scores = all.scores[i];
    const auto picked = end_to_end ? pick_best(scores, options) : pick_by_nms(boxes, scores, options);
    Found one;
    one.boxes = clip_boxes(boxes.index_select(0, picked.places).to(torch::kFloat32), static_cast<double>(height),
                           static_cast<double>(width));
    one.labels = picked.labels;
    one.scores = picked.scores.to(torch::kFloat32);
    if (all.prototypes.defined()) {
      const auto& prototypes = all.prototypes[i];
      const auto weights = all.coefficients[i].index_select(0, picked.places);
      one.masks =
          weights.matmul(prototypes.flatten(1)).view({-1, prototypes.size(1), prototypes.size(2)}).to(torch::kFloat32);
    }
    if (all.keypoints.defined()) one.keypoints = all.keypoints[i].index_select(0, picked.places).to(torch::kFloat32);
    found.push_back(std::move(one));
  }
  return found;
}

}  // namespace hadal::yolo
