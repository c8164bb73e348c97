#include <cmath>

#include "hadal/models/detection/roi_heads.h"
#include "hadal/ops/roi.h"

namespace hadal {

Tensor masks_in_boxes(const Tensor& masks, const Tensor& object, const Tensor& boxes, int64_t size) {
  const auto regions = torch::cat({object.to(boxes.scalar_type()).unsqueeze(1), boxes}, 1);
  return roi_align(masks.to(boxes.scalar_type()).unsqueeze(1), regions, {.height = size, .width = size}).squeeze(1);
}

std::pair<Tensor, Tensor> places_in_maps(const Tensor& keypoints, const Tensor& boxes, int64_t size) {
  const auto along = [&](int64_t axis) {
    const auto low = boxes.select(1, axis).unsqueeze(1), high = boxes.select(1, axis + 2).unsqueeze(1);
    const auto at = keypoints.select(2, axis).to(boxes.scalar_type());
    const auto place = ((at - low) * ((high - low).reciprocal() * static_cast<double>(size))).floor().to(torch::kInt64);
    return place.masked_fill(at == high, size - 1);  // the box's far edge belongs to it
  };
  const auto x = along(0), y = along(1);
  const auto in = (x >= 0) & (y >= 0) & (x < size) & (y < size) & (keypoints.select(2, 2) > 0);
  return {(y * size + x).masked_fill(in.logical_not(), 0), in};
}

Tensor highest_points(const Tensor& maps, const Tensor& boxes) {
  const auto count = maps.size(0), points = maps.size(1);
  const auto out = torch::zeros({count, points, 3}, maps.options());
  const auto sides = (boxes.slice(1, 2, 4) - boxes.slice(1, 0, 2)).clamp_min(1).to(torch::kCPU, torch::kFloat64);
  for (int64_t i = 0; i < count; ++i) {
    const auto width = sides[i][0].item<double>(), height = sides[i][1].item<double>();
    const auto columns = static_cast<int64_t>(std::ceil(width)), rows = static_cast<int64_t>(std::ceil(height));
    const auto map = torch::upsample_bicubic2d(maps[i].unsqueeze(1), {rows, columns}, false).flatten(1);  // (K, h w)
    const auto [value, place] = map.max(1);
    const auto x = (place.remainder(columns).to(maps.scalar_type()) + 0.5) * (width / static_cast<double>(columns));
    const auto y = (place.floor_divide(columns).to(maps.scalar_type()) + 0.5) * (height / static_cast<double>(rows));
    out[i].copy_(torch::stack({x + boxes[i][0], y + boxes[i][1], value}, 1));
  }
  return out;
}

}  // namespace hadal
