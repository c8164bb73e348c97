#include "hadal/models/detection/darknet_found.h"

#include "hadal/ops/boxes.h"
#include "hadal/ops/nms.h"

namespace hadal {

Found best_found(const Tensor& boxes, const Tensor& scores, const Tensor& labels, const Tensor& size,
                 const FindOptions& options) {
  constexpr int64_t kMostCandidates = 30000;  // an untrained network thinks it sees everything, everywhere
  auto box = boxes.to(torch::kCPU, torch::kFloat32), score = scores.to(torch::kCPU, torch::kFloat32),
       label = labels.to(torch::kCPU);
  const auto fine = box.isfinite().all(1).logical_and(score.isfinite()).nonzero().flatten();
  const auto best = std::get<1>(score.index_select(0, fine).sort(/*stable=*/true, 0, /*descending=*/true));
  const auto taken = fine.index_select(0, best.slice(0, 0, kMostCandidates));
  box = box.index_select(0, taken);
  score = score.index_select(0, taken);
  label = label.index_select(0, taken);
  const auto kept = nms(box, score, label, options.iou).slice(0, 0, options.most);
  const auto height = static_cast<double>(size[0].item<int64_t>()),
             width = static_cast<double>(size[1].item<int64_t>());
  Found found;
  found.boxes = clip_boxes(box.index_select(0, kept), height, width);
  found.labels = label.index_select(0, kept);
  found.scores = score.index_select(0, kept);
  return found;
}

}  // namespace hadal
