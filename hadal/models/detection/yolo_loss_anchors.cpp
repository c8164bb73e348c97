// YOLOv5's losses: each object is learnt by the anchor boxes of its shape, at its cell and the two cells nearest to it.
#include <algorithm>
#include <cmath>
#include <map>

#include "hadal/models/detection/yolo_loss.h"
#include "hadal/ops/boxes.h"

namespace hadal::yolo {
namespace {

constexpr double kAnchorBoxGain = 0.05, kObjectGain = 1, kAnchorClassGain = 0.5;
/// An anchor whose sides are more than 4 times an object's, or less than a fourth, does not learn it.
constexpr double kLargestRatio = 4;
/// Cells of stride 8 hold many more objects that are not there.
constexpr std::array<double, 3> kObjectBalance = {4, 1, 0.4};

/// The predictions of one level that learn an object.
struct Matches {
  std::vector<int64_t> pictures, anchors, rows, columns, labels;
  std::vector<double> boxes;  // 4 each: centre relative to the cell, size; in strides

  void add(int64_t picture, int64_t anchor, int64_t row, int64_t column, int64_t label, std::array<double, 4> box) {
    pictures.push_back(picture);
    anchors.push_back(anchor);
    rows.push_back(row);
    columns.push_back(column);
    labels.push_back(label);
    boxes.insert(boxes.end(), box.begin(), box.end());
  }
};

/// Neighbours that are nearer than half a cell learn the object too, within the level.
std::vector<std::array<int64_t, 2>> cells_near(double x, double y, int64_t rows, int64_t columns) {
  const auto width = static_cast<double>(columns), height = static_cast<double>(rows);
  const auto share = [](double value) { return value - std::floor(value); };
  std::vector<std::array<int64_t, 2>> out;
  const auto add = [&](double dx, double dy) {
    out.push_back({static_cast<int64_t>(std::trunc(y - dy)), static_cast<int64_t>(std::trunc(x - dx))});
  };
  add(0, 0);
  if (share(x) < 0.5 && x > 1) add(0.5, 0);
  if (share(y) < 0.5 && y > 1) add(0, 0.5);
  if (share(width - x) < 0.5 && width - x > 1) add(-0.5, 0);
  if (share(height - y) < 0.5 && height - y > 1) add(0, -0.5);
  return out;
}

Matches match(const Targets& targets, const Tensor& anchors, double stride, int64_t rows, int64_t columns) {
  Matches out;
  const auto boxes = (cxcywh_from_xyxy(targets.boxes.to(torch::kCPU, torch::kFloat64)) / stride).contiguous();
  const auto shapes = anchors.to(torch::kCPU, torch::kFloat64).contiguous();
  const auto labels = targets.labels.to(torch::kCPU).contiguous(), owner = targets.owner.to(torch::kCPU).contiguous();
  const auto* box = boxes.const_data_ptr<double>();
  const auto* shape = shapes.const_data_ptr<double>();
  for (int64_t t = 0; t < boxes.size(0); ++t, box += 4)
    for (int64_t a = 0; a < shapes.size(0); ++a) {
      const auto wide = box[2] / shape[2 * a], high = box[3] / shape[2 * a + 1];
      if (std::max({wide, 1 / wide, high, 1 / high}) >= kLargestRatio) continue;
      for (const auto& [row, column] : cells_near(box[0], box[1], rows, columns))
        out.add(owner.const_data_ptr<int64_t>()[t], a, std::clamp<int64_t>(row, 0, rows - 1),
                std::clamp<int64_t>(column, 0, columns - 1), labels.const_data_ptr<int64_t>()[t],
                {box[0] - static_cast<double>(column), box[1] - static_cast<double>(row), box[2], box[3]});
    }
  return out;
}

/// How sure each prediction should be that an object is there: its overlap; of several objects the largest.
Tensor objectness(const Matches& matches, const Tensor& overlaps, const Tensor& like) {
  auto wanted = torch::zeros(like.sizes(), torch::kFloat64);
  const auto values = overlaps.detach().clamp_min(0).to(torch::kCPU, torch::kFloat64).contiguous();
  const auto* value = values.const_data_ptr<double>();
  auto cells = wanted.accessor<double, 4>();
  for (size_t i = 0; i < matches.pictures.size(); ++i) {
    auto& cell = cells[matches.pictures[i]][matches.anchors[i]][matches.rows[i]][matches.columns[i]];
    cell = std::max(cell, value[i]);
  }
  return wanted.to(like.options());
}

}  // namespace

TensorsByName anchor_losses(const AnchorHead& head, const std::vector<Tensor>& levels, const Targets& targets,
                            int64_t height, int64_t width) {
  const auto options =
      levels[0].options().dtype(levels[0].element_size() < 4 ? torch::kFloat32 : levels[0].scalar_type());
  const auto weights = class_weights_like(targets, torch::empty({0}, options));
  auto box = torch::zeros({}, options), objects = box.clone(), classes = box.clone();
  for (size_t i = 0; i < levels.size(); ++i) {
    const auto said = levels[i].to(options);  // (B, 3, h, w, 5 + classes)
    const auto anchors = head.anchors[static_cast<int64_t>(i)].to(options);
    const auto matches = match(targets, anchors, static_cast<double>(kStrides[i]), said.size(2), said.size(3));
    const auto logits = said.select(-1, 4);
    auto wanted = torch::zeros_like(logits);
    const auto count = static_cast<int64_t>(matches.pictures.size());
    if (count > 0) {
      const auto places = [&](const std::vector<int64_t>& values) {
        return torch::tensor(values, torch::kInt64).to(said.device());
      };
      const auto which = places(matches.anchors);
      const auto mine = said.index({places(matches.pictures), which, places(matches.rows), places(matches.columns)});
      const auto centre = mine.slice(1, 0, 2).sigmoid() * 2 - 0.5;
      const auto size = (mine.slice(1, 2, 4).sigmoid() * 2).square() * anchors.index_select(0, which);
      const auto truth = torch::tensor(matches.boxes, torch::kFloat64).view({-1, 4}).to(options);
      const auto overlaps =
          box_overlap(xyxy_from_cxcywh(torch::cat({centre, size}, 1)), xyxy_from_cxcywh(truth), Overlap::ciou);
      box = box + (1 - overlaps).mean();
      wanted = objectness(matches, overlaps, logits);
      if (head.classes > 1) {
        const auto one_hot =
            torch::zeros({count, head.classes}, options).scatter_(1, places(matches.labels).unsqueeze(1), 1);
        classes = classes + torch::binary_cross_entropy_with_logits(mine.slice(1, 5), one_hot, weights);
      }
    }
    objects = objects + torch::binary_cross_entropy_with_logits(logits, wanted) * kObjectBalance[i];
  }
  // Gains are those of 640 pixels and 80 classes, as yolov5's training scales them.
  const auto pictures = static_cast<double>(levels[0].size(0));
  const auto side = static_cast<double>(std::max(height, width)) / 640;
  return {{"box", box * (kAnchorBoxGain * pictures)},
          {"obj", objects * (kObjectGain * side * side * pictures)},
          {"cls", classes * (kAnchorClassGain * static_cast<double>(head.classes) / 80 * pictures)}};
}

}  // namespace hadal::yolo
