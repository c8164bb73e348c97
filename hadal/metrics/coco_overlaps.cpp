#include <algorithm>
#include <cmath>
#include <limits>

#include "hadal/core/error.h"
#include "hadal/metrics/coco.h"
#include "hadal/metrics/keypoints.h"

namespace hadal {
namespace {

double box_iou(const std::array<double, 4>& found, const std::array<double, 4>& truth, bool crowd) {
  const auto width = std::min(found[2] + found[0], truth[2] + truth[0]) - std::max(found[0], truth[0]);
  if (width <= 0) return 0;
  const auto height = std::min(found[3] + found[1], truth[3] + truth[1]) - std::max(found[1], truth[1]);
  if (height <= 0) return 0;
  const auto both = width * height, area = found[2] * found[3];
  return both / (crowd ? area : area + truth[2] * truth[3] - both);
}

}  // namespace

void coco_overlaps(const CocoSettings& settings, const CocoObject* const* found, size_t count_found,
                   const CocoObject* const* truth, size_t count_truth, std::vector<double>& out, bool as_crowds) {
  out.resize(count_found * count_truth);
  const auto each = [&](auto overlap) {
    for (size_t d = 0; d < count_found; ++d)
      for (size_t g = 0; g < count_truth; ++g) out[d * count_truth + g] = overlap(d, g);
  };
  const auto crowd = [&](size_t g) { return as_crowds && truth[g]->crowd; };
  if (settings.kind == CocoKind::kBox)
    return each([&](size_t d, size_t g) { return box_iou(found[d]->box, truth[g]->box, crowd(g)); });
  if (settings.kind == CocoKind::kKeypoints)
    return each([&](size_t d, size_t g) {
      return keypoint_similarity(found[d]->keypoints, truth[g]->keypoints, truth[g]->box, truth[g]->area,
                                 settings.sigmas);
    });
  std::vector<std::array<double, 4>> found_boxes(count_found), truth_boxes(count_truth);
  if (count_truth > 0)
    for (size_t d = 0; d < count_found; ++d) found_boxes[d] = rle_box(found[d]->mask);
  if (count_found > 0)
    for (size_t g = 0; g < count_truth; ++g) truth_boxes[g] = rle_box(truth[g]->mask);
  each([&](size_t d, size_t g) {
    return rle_iou(found[d]->mask, found_boxes[d], truth[g]->mask, truth_boxes[g], crowd(g));
  });
}

}  // namespace hadal
