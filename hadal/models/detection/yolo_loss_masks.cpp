// Losses of masks that are sums of prototypes, and how masks rate candidates.
#include <algorithm>
#include <numeric>

#include "hadal/models/detection/mask_regions.h"
#include "hadal/models/detection/yolo_loss.h"

namespace hadal::yolo {
namespace {

constexpr double kMaskGain = 7.5;

/// Half cross entropy, half 1 - Dice, of all classes' pixels.
Tensor semantic_loss(const Tensor& logits, const Tensor& wanted) {
  const auto entropy = torch::binary_cross_entropy_with_logits(logits, wanted);
  const auto said = logits.sigmoid();
  const auto both = (said * wanted).sum({2, 3});
  const auto each = said.sum({2, 3}) + wanted.sum({2, 3});
  return 0.5 * entropy + 0.5 * (1 - (2 * both + 1) / (each + 1)).mean();
}

/// Each pixel's class, where it belongs to an object; of several the smallest: as large as `like`, (B, classes, h, w).
Tensor classes_of_pixels(const Tensor& masks, const Targets& targets, const Tensor& like) {
  const auto objects = masks.size(0);
  auto wanted = torch::zeros({like.size(0), like.size(1), masks.size(1), masks.size(2)}, like.options());
  const auto owner = targets.owner.to(torch::kCPU), labels = targets.labels.to(torch::kCPU);
  const auto order = masks.sum({1, 2}).argsort(0, true).to(torch::kCPU);  // the smallest is painted last
  for (int64_t i = 0; i < objects; ++i) {
    const auto object = order[i].item<int64_t>();
    auto picture = wanted[owner[object].item<int64_t>()];
    const auto& mask = masks[object];
    picture.mul_(1 - mask);
    picture[labels[object].item<int64_t>()].add_(mask);
  }
  return torch::upsample_nearest2d(wanted, like.sizes().slice(2));
}

/// Masks of objects (T, h, w), 0 or 1 -> their share of each cell of (rows, columns), rounded: 0 or 1 in `like`'s type.
Tensor masks_of_size(const Tensor& masks, int64_t rows, int64_t columns, const Tensor& like) {
  const auto shares = torch::adaptive_avg_pool2d(masks.to(like.options()), {rows, columns});
  return (shares >= 0.5).to(like.options());
}

/// 1 where a cell (row, column) lies in the box, 0 outside; boxes (N, 4) in cells -> (N, rows, columns).
Tensor cells_inside(const Tensor& boxes, int64_t rows, int64_t columns) {
  const auto sides = boxes.view({-1, 4, 1, 1}).unbind(1);
  const auto x = torch::arange(columns, boxes.options()), y = torch::arange(rows, boxes.options()).unsqueeze(1);
  return (x >= sides[0]) * (x < sides[2]) * (y >= sides[1]) * (y < sides[3]);
}

/// An object's mask (h, w) in the prototypes' cells, of its region alone: (rows, columns).
Tensor mask_within(const Tensor& mask, const MaskRegion& region, const Tensor& prototypes) {
  const auto tall = mask.size(0) / prototypes.size(2), wide = mask.size(1) / prototypes.size(3);  // pixels of a cell
  const MaskRegion pixels{.top = region.top * tall,
                          .left = region.left * wide,
                          .rows = region.rows * tall,
                          .columns = region.columns * wide};
  if (region.cells() == 0) return torch::empty({0, 0}, prototypes.options());
  return masks_of_size(pixels.of(mask).unsqueeze(0), region.rows, region.columns, prototypes);
}

}  // namespace

TensorsByName mask_losses(const Raw& raw, const Tensor& prototypes, const Tensor& semantic, const Learning& learning,
                          const Targets& targets) {
  const auto& who = learning.who;
  const auto learners = who.places.size(0), rows = prototypes.size(2), columns = prototypes.size(3);
  const auto none = torch::zeros({}, prototypes.options());
  if (learners == 0)
    return semantic.defined() ? TensorsByName{{"seg", none}, {"sem", none.clone()}} : TensorsByName{{"seg", none}};
  // Sorted by object, for those who learn one share its mask.
  const auto order = who.targets.argsort(/*stable=*/true);
  const auto said =
      raw.coefficients.transpose(1, 2).index({who.pictures.index_select(0, order), who.places.index_select(0, order)});
  const auto boxes = targets.boxes.to(torch::kCPU, torch::kFloat64);
  const auto to_cells = torch::tensor({columns / learning.width, rows / learning.height}, boxes.options()).repeat(2);
  const auto regions = mask_regions(who.targets.index_select(0, order), boxes * to_cells, targets.owner, rows, columns);

  std::vector<Tensor> wanted, weights;
  for (const auto& region : regions) {
    const auto each = region.learners * region.cells();
    wanted.push_back(
        mask_within(targets.masks[region.object], region, prototypes).expand({region.learners, -1, -1}).flatten());
    const auto* side = boxes.const_data_ptr<double>() + 4 * region.object;
    const auto area = (side[2] - side[0]) * (side[3] - side[1]) / (learning.width * learning.height);
    weights.push_back(torch::full({each}, 1 / (area * static_cast<double>(rows * columns)), prototypes.options()));
  }
  const auto total = torch::binary_cross_entropy_with_logits(
      logits_within(said, prototypes, regions), torch::cat(wanted), torch::cat(weights), {}, at::Reduction::Sum);
  TensorsByName out = {{"seg", total / static_cast<double>(learners) * kMaskGain}};
  if (semantic.defined()) {
    const auto masks = masks_of_size(targets.masks, rows, columns, prototypes);
    out.emplace_back("sem", semantic_loss(semantic, classes_of_pixels(masks, targets, semantic)) * kMaskGain);
  }
  return out;
}

void rate_by_masks(Candidates& candidates, const Raw& raw, const Tensor& prototypes, const Tensor& boxes,
                   const Targets& targets, int64_t most, double height) {
  const auto rows = prototypes.size(2), columns = prototypes.size(3);
  std::vector<size_t> order(candidates.places.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<double> worth;
  for (const auto i : order) worth.push_back(alignment(candidates.scores[i], candidates.overlaps[i]));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return worth[a] > worth[b]; });
  order.resize(std::min(order.size(), static_cast<size_t>(most)));
  std::vector<int64_t> asked;
  for (const auto i : order) asked.push_back(candidates.places[i]);

  const auto places = torch::tensor(asked, torch::kInt64).to(boxes.device());
  const auto scale = static_cast<double>(rows) / height;
  const auto said = raw.coefficients[candidates.picture].index_select(1, places).t();
  const auto logits = said.matmul(prototypes[candidates.picture].flatten(1)).view({-1, rows, columns});
  const auto masks =
      (logits > 0) * cells_inside(boxes[candidates.picture].index_select(0, places) * scale, rows, columns);
  const auto truth = masks_of_size(targets.masks[candidates.target].unsqueeze(0), rows, columns, prototypes) > 0;
  const auto both = (masks * truth).sum({1, 2});
  const auto either = masks.sum({1, 2}) + truth.sum() - both;
  const auto overlaps = (both.to(torch::kFloat64) / either.clamp_min(1)).to(torch::kCPU);
  for (auto& overlap : candidates.overlaps) overlap /= 2;
  for (size_t i = 0; i < order.size(); ++i)
    candidates.overlaps[order[i]] += overlaps[static_cast<int64_t>(i)].item<double>() / 2;
}

}  // namespace hadal::yolo
