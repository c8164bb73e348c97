#include <algorithm>

#include "hadal/models/detection/yolox.h"
#include "hadal/ops/boxes.h"

namespace hadal {
namespace {

/// min(x - low, high - x) of both axes above 0: (T, N) for centres (N, 2) and boxes (T, 4), or their likes by cell.
Tensor inside(const Tensor& centres, const Tensor& low, const Tensor& high) {
  return (centres > low).logical_and(centres < high).all(2);
}

/// (T, M): the cross entropy of each cell's class scores with each object's class alone, summed over classes.
Tensor class_cost(const Tensor& scores, const Tensor& labels) {
  const auto yes = -scores.log().clamp_min(-100), no = -(-scores).log1p().clamp_min(-100);  // (M, classes)
  return no.sum(1) + (yes - no).index_select(1, labels).t();
}

}  // namespace

YoloxMatch simota(const YoloxCells& cells, int64_t picture, const Tensor& boxes, const Tensor& labels) {
  constexpr double kRadius = 2.5;
  const torch::NoGradGuard no_grad;
  const auto centres = ((cells.corners + 0.5) * cells.strides).unsqueeze(0);                       // (1, N, 2)
  const auto low = boxes.narrow(1, 0, 2).unsqueeze(1), high = boxes.narrow(1, 2, 2).unsqueeze(1);  // (T, 1, 2)
  const auto middle = (low + high) / 2, reach = kRadius * cells.strides.unsqueeze(0);
  const auto in_box = inside(centres, low, high), near = inside(centres, middle - reach, middle + reach);  // (T, N)
  const auto may = in_box.logical_or(near).any(0).nonzero().flatten();                                     // (M)
  if (may.size(0) == 0) return {may, may, torch::zeros({0}, boxes.options())};

  const auto raw = cells.raw[picture].index_select(0, may);
  const auto overlaps = box_iou(boxes, cells.boxes[picture].index_select(0, may));  // (T, M)
  const auto scores = (raw.slice(1, 5).sigmoid() * raw.narrow(1, 4, 1).sigmoid()).sqrt();
  // Cells that are not both in the box and near its middle come last.
  const auto far = in_box.logical_and(near).logical_not().index_select(1, may);
  const auto cost = class_cost(scores, labels) - 3 * (overlaps + 1e-8).log() + 1e5 * far.to(overlaps.scalar_type());

  const auto best = std::get<0>(overlaps.topk(std::min<int64_t>(10, may.size(0)), 1)).sum(1);
  const auto counts = best.to(torch::kInt64).clamp_min(1).to(torch::kCPU);
  auto taken = torch::zeros_like(cost, torch::kBool);
  for (int64_t t = 0; t < boxes.size(0); ++t) {
    const auto count = std::min(counts[t].item<int64_t>(), may.size(0));
    taken[t].index_fill_(0, std::get<1>(cost[t].topk(count, 0, /*largest=*/false)), 1);
  }
  const auto wanted = taken.sum(0);
  const auto cheapest = torch::one_hot(cost.argmin(0), boxes.size(0)).t().to(torch::kBool);
  taken = torch::where(wanted > 1, cheapest, taken);
  const auto columns = wanted.nonzero().flatten();
  const auto objects = taken.to(torch::kInt32).argmax(0).index_select(0, columns);
  return {may.index_select(0, columns), objects, overlaps.index({objects, columns})};
}

}  // namespace hadal
