#include "hadal/models/detection/darknet_heads.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace hadal {
namespace {

/// Sides of anchors in pixels, (A, 2), of those in the mask.
Tensor anchors_of(const DarknetHead& head, const Tensor& like, double stride_x, double stride_y) {
  std::vector<double> sides;
  for (const auto number : head.mask)
    for (const auto axis : {0, 1})
      sides.push_back(head.anchors[number][axis] * (!head.region ? 1 : axis == 0 ? stride_x : stride_y));
  return torch::tensor(sides, torch::kFloat64).to(like.options()).view({-1, 2});
}

/// (h, w, 2): column and row of each cell.
Tensor grid(const Tensor& cells) {
  const auto rows = torch::arange(cells.size(2), cells.options()),
             columns = torch::arange(cells.size(3), cells.options());
  return torch::stack(
      {columns.view({1, -1}).expand({rows.size(0), -1}), rows.view({-1, 1}).expand({-1, columns.size(0)})}, 2);
}

/// An anchor of a cell that has an object to learn.
struct Match {
  std::vector<int64_t> picture, anchor, row, column, object;
};

/// min / max of two shapes laid over one another.
double shape_overlap(double w1, double h1, double w2, double h2) {
  const auto common = std::min(w1, w2) * std::min(h1, h2);
  return common / (w1 * h1 + w2 * h2 - common);
}

Match matches(const DarknetHead& head, const Targets& targets, int64_t h, int64_t w, double stride_x, double stride_y) {
  const auto boxes = targets.boxes.to(torch::kCPU, torch::kFloat64).contiguous();
  const auto owner = targets.owner.to(torch::kCPU).contiguous();
  const auto box = boxes.accessor<double, 2>();
  const auto* picture = owner.const_data_ptr<int64_t>();
  const double across = head.region ? stride_x : 1, down = head.region ? stride_y : 1;
  std::map<std::array<int64_t, 4>, int64_t> cells;  // the last object of each
  for (int64_t t = 0; t < boxes.size(0); ++t) {
    const auto width = box[t][2] - box[t][0], height = box[t][3] - box[t][1];
    if (!(width > 0 && height > 0)) continue;
    std::vector<double> overlaps;
    for (const auto& [x, y] : head.anchors) overlaps.push_back(shape_overlap(width, height, x * across, y * down));
    const auto best = std::max_element(overlaps.begin(), overlaps.end()) - overlaps.begin();
    const auto cell = [](double centre, double stride, int64_t count) {
      return std::clamp<int64_t>(static_cast<int64_t>(centre / stride), 0, count - 1);
    };
    for (size_t a = 0; a < head.mask.size(); ++a)
      if (const auto n = head.mask[a]; n == best || (!head.region && overlaps[n] > head.also))
        cells[{picture[t], static_cast<int64_t>(a), cell((box[t][1] + box[t][3]) / 2, stride_y, h),
               cell((box[t][0] + box[t][2]) / 2, stride_x, w)}] = t;
  }
  Match out;
  for (const auto& [at, object] : cells) {
    out.picture.push_back(at[0]);
    out.anchor.push_back(at[1]);
    out.row.push_back(at[2]);
    out.column.push_back(at[3]);
    out.object.push_back(object);
  }
  return out;
}

/// (B, A, h, w): predictions that overlap an object of their picture by more than `threshold`.
Tensor overlapping(const Tensor& boxes, const Targets& targets, double threshold) {
  const torch::NoGradGuard no_grad;
  const auto out = torch::zeros(boxes.sizes().slice(0, 4), boxes.options().dtype(torch::kBool));
  for (int64_t b = 0; b < boxes.size(0); ++b) {
    const auto own = targets.boxes.index({targets.owner == b}).to(boxes.options());
    if (own.size(0) == 0) continue;
    out[b].copy_((box_iou(boxes[b].flatten(0, 2), own) > threshold).any(1).view(out[b].sizes()));
  }
  return out;
}

/// Squared errors as Darknet has them: half, so that their gradient is the difference.
Tensor squared(const Tensor& value, const Tensor& wanted) { return 0.5 * (value - wanted).square(); }

/// -(y log p + (1 - y) log(1 - p)) of logits or, where the network has put them through a sigmoid, of p itself; plain
/// operators for these, as autocast refuses the fused one.
Tensor cross_entropy(const Tensor& value, const Tensor& wanted, bool logits) {
  if (logits) return torch::binary_cross_entropy_with_logits(value, wanted, {}, {}, at::Reduction::None);
  constexpr double kLeast = 1e-30;
  return -(wanted * value.clamp_min(kLeast).log() + (1 - wanted) * (1 - value).clamp_min(kLeast).log());
}

/// What the matched cells should say, (M, 2) each, and how much a box of that size counts, (M, 1).
struct Wanted {
  Tensor place;  // of the centre within its cell, 0 to 1
  Tensor sides;  // in anchors
  Tensor weight;
};

Tensor box_loss(const Tensor& cells, const Tensor& boxes, const Tensor& objects, const Wanted& wanted,
                const DarknetHead& head) {
  const auto xy = cells.narrow(1, 0, 2), wh = cells.narrow(1, 2, 2);
  if (head.region)
    return head.coord_scale *
           (wanted.weight * (squared(xy.sigmoid(), wanted.place) + squared(wh, wanted.sides.log()))).sum();
  if (!head.squared) return head.box_weight * (1 - box_overlap(boxes, objects, head.overlap)).sum();
  const auto s = head.scale_xy;
  const auto place = (wanted.place + (s - 1) / 2) / s;  // what the sigmoid itself should say
  // Darknet hands the difference on past the sigmoid: the gradient of a cross entropy.
  const auto centre = head.new_coords ? squared(xy * s, place * s) : s * cross_entropy(xy, place, true);
  const auto shape = squared(wh, head.new_coords ? wanted.sides.sqrt() / 2 : wanted.sides.log());
  return head.box_weight * (wanted.weight * (centre + shape)).sum();
}

Tensor class_loss(const Tensor& cells, const Tensor& labels, const Tensor& weights, const DarknetHead& head) {
  const auto classes = cells.slice(1, 5);
  if (head.region && head.softmax)
    return head.class_scale * torch::cross_entropy_loss(classes, labels, weights, at::Reduction::Sum);
  const auto wanted = torch::one_hot(labels, head.classes).to(classes.dtype());
  auto each = cross_entropy(classes, wanted, head.region || !head.new_coords);
  if (weights.defined()) each = each * weights;
  return (head.region ? head.class_scale : head.class_weight) * each.sum();
}

void add(Tensor& sum, const Tensor& part) { sum = sum.defined() ? sum + part : part; }

}  // namespace

Tensor cells_of(const Tensor& map, const DarknetHead& head) {
  const auto anchors = static_cast<int64_t>(head.mask.size());
  const auto wide = map.scalar_type() == torch::kFloat64 ? map : map.to(torch::kFloat32);
  return wide.view({map.size(0), anchors, head.values(), map.size(2), map.size(3)}).permute({0, 1, 3, 4, 2});
}

DarknetCells decoded(const Tensor& cells, const DarknetHead& head, int64_t height, int64_t width) {
  const auto stride_x = static_cast<double>(width) / static_cast<double>(cells.size(3));
  const auto stride_y = static_cast<double>(height) / static_cast<double>(cells.size(2));
  const auto anchors = anchors_of(head, cells, stride_x, stride_y).view({-1, 1, 1, 2});
  const auto strides = torch::tensor({stride_x, stride_y}, torch::kFloat64).to(cells.options());
  const auto raw = cells.narrow(-1, 2, 2), rest = cells.slice(-1, 5);
  const auto xy = head.new_coords ? cells.narrow(-1, 0, 2) : cells.narrow(-1, 0, 2).sigmoid();
  const auto centre = (xy * head.scale_xy - (head.scale_xy - 1) / 2 + grid(cells)) * strides;
  // e^20 is beyond any picture and leaves areas finite in float.
  const auto sides = (head.new_coords ? (2 * raw).square() : raw.clamp_max(20).exp()) * anchors;
  const auto object = cells.narrow(-1, 4, 1);
  return {xyxy_from_cxcywh(torch::cat({centre, sides}, -1)), head.new_coords ? object : object.sigmoid(),
          head.new_coords               ? rest
          : head.region && head.softmax ? rest.softmax(-1)
                                        : rest.sigmoid()};
}

void add_losses(DarknetLosses& sum, const Tensor& map, const DarknetHead& head, const Targets& targets, int64_t height,
                int64_t width) {
  const auto cells = cells_of(map, head);
  const auto found = decoded(cells, head, height, width);
  const auto stride_x = static_cast<double>(width) / static_cast<double>(cells.size(3));
  const auto stride_y = static_cast<double>(height) / static_cast<double>(cells.size(2));
  const auto match = matches(head, targets, cells.size(2), cells.size(3), stride_x, stride_y);
  const auto index = [&](const std::vector<int64_t>& numbers) {
    return torch::tensor(numbers, torch::kInt64).to(cells.device());
  };
  const std::vector<at::indexing::TensorIndex> at = {index(match.picture), index(match.anchor), index(match.row),
                                                     index(match.column)};
  const auto objects = index(match.object);
  const auto truth = targets.boxes.to(cells.options()).index_select(0, objects);  // (M, 4)
  const auto own = cells.index(at), boxes = found.boxes.index(at);
  const auto middle = (truth.narrow(1, 0, 2) + truth.narrow(1, 2, 2)) / 2,
             sides = truth.narrow(1, 2, 2) - truth.narrow(1, 0, 2);
  const auto strides = torch::tensor({stride_x, stride_y}, torch::kFloat64).to(cells.options());
  const auto corner = torch::stack({index(match.column), index(match.row)}, 1);
  const Wanted wanted{middle / strides - corner,
                      sides / anchors_of(head, cells, stride_x, stride_y).index_select(0, index(match.anchor)),
                      2 - sides.prod(1, true) / static_cast<double>(height * width)};
  add(sum.box, box_loss(own, boxes, truth, wanted, head));
  add(sum.classes, class_loss(own, targets.labels.to(cells.device()).index_select(0, objects),
                              class_weights_like(targets, cells), head));

  // No cell is background that has an object, or whose box overlaps one well enough.
  auto background = overlapping(found.boxes, targets, head.region ? head.threshold : head.ignore).logical_not();
  background.index_put_(at, false);
  const auto logits = cells.select(-1, 4);
  if (head.region) {
    const auto object = logits.sigmoid();
    const auto good =
        head.rescore ? box_overlap(boxes, truth, Overlap::iou).detach() : torch::ones_like(own.select(1, 4));
    add(sum.objectness,
        head.noobject_scale * squared(object.masked_select(background), torch::zeros({}, object.options())).sum() +
            head.object_scale * squared(own.select(1, 4).sigmoid(), good).sum());
    return;
  }
  const auto none = logits.masked_select(background), some = own.select(1, 4);
  add(sum.objectness, head.object_weight * (cross_entropy(none, torch::zeros_like(none), !head.new_coords).sum() +
                                            cross_entropy(some, torch::ones_like(some), !head.new_coords).sum()));
}

}  // namespace hadal
