// Losses of masks that are sums of prototypes, and how masks rate candidates.
#include <algorithm>
#include <numeric>

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

}  // namespace

Tensor masks_of_size(const Tensor& masks, int64_t rows, int64_t columns, const Tensor& like) {
  const auto shares = torch::adaptive_avg_pool2d(masks.to(like.options()), {rows, columns});
  return (shares >= 0.5).to(like.options());
}

Tensor inside(const Tensor& boxes, int64_t rows, int64_t columns) {
  const auto sides = boxes.view({-1, 4, 1, 1}).unbind(1);
  const auto x = torch::arange(columns, boxes.options()), y = torch::arange(rows, boxes.options()).unsqueeze(1);
  return (x >= sides[0]) * (x < sides[2]) * (y >= sides[1]) * (y < sides[3]);
}

TensorsByName mask_losses(const Raw& raw, const Tensor& prototypes, const Tensor& semantic, const Learning& learning,
                          const Targets& targets) {
  const auto& who = learning.who;
  const auto learners = who.places.size(0), rows = prototypes.size(2), columns = prototypes.size(3);
  auto total = torch::zeros({}, prototypes.options());
  TensorsByName out;
  if (learners == 0) {
    out.emplace_back("seg", total);
    if (semantic.defined()) out.emplace_back("sem", total.clone());
    return out;
  }
  const auto masks = masks_of_size(targets.masks, rows, columns, prototypes);
  const auto said = raw.coefficients.transpose(1, 2).index({who.pictures, who.places});  // (F, 32)
  const auto pixels = learning.boxes * learning.strides;
  const auto areas = (pixels.slice(1, 2) - pixels.slice(1, 0, 2)).prod(1) / (learning.width * learning.height);
  const auto to_cells =
      torch::tensor({static_cast<double>(columns) / learning.width, static_cast<double>(rows) / learning.height},
                    pixels.options())
          .repeat(2);
  const auto cells = pixels * to_cells;
  for (int64_t picture = 0; picture < learning.pictures; ++picture) {
    const auto mine = (who.pictures == picture).nonzero().squeeze(1);
    if (mine.size(0) == 0) continue;
    const auto logits = said.index_select(0, mine).matmul(prototypes[picture].flatten(1)).view({-1, rows, columns});
    const auto wanted = masks.index_select(0, who.targets.index_select(0, mine));
    const auto entropy = torch::binary_cross_entropy_with_logits(logits, wanted, {}, {}, at::Reduction::None);
    const auto within = inside(cells.index_select(0, mine), rows, columns);
    total = total + ((entropy * within).mean({1, 2}) / areas.index_select(0, mine)).sum();
  }
  out.emplace_back("seg", total / static_cast<double>(learners) * kMaskGain);
  if (semantic.defined())
    out.emplace_back("sem", semantic_loss(semantic, classes_of_pixels(masks, targets, semantic)) * kMaskGain);
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
  const auto masks = (logits > 0) * inside(boxes[candidates.picture].index_select(0, places) * scale, rows, columns);
  const auto truth = masks_of_size(targets.masks[candidates.target].unsqueeze(0), rows, columns, prototypes) > 0;
  const auto both = (masks * truth).sum({1, 2});
  const auto either = masks.sum({1, 2}) + truth.sum() - both;
  const auto overlaps = (both.to(torch::kFloat64) / either.clamp_min(1)).to(torch::kCPU);
  for (auto& overlap : candidates.overlaps) overlap /= 2;
  for (size_t i = 0; i < order.size(); ++i)
    candidates.overlaps[order[i]] += overlaps[static_cast<int64_t>(i)].item<double>() / 2;
}

}  // namespace hadal::yolo
