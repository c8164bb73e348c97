#include "hadal/models/detection/roi_features.h"

#include <cmath>

#include "hadal/ops/boxes.h"
#include "hadal/ops/roi.h"

namespace hadal {

Tensor roi_features(const Scene& scene, size_t levels, const std::vector<Tensor>& boxes, int64_t size) {
  std::vector<Tensor> of_pictures;
  for (size_t i = 0; i < boxes.size(); ++i)
    of_pictures.push_back(torch::constant_pad_nd(boxes[i], {1, 0}, static_cast<int64_t>(i)));
  const auto regions = torch::cat(of_pictures);  // (N, 5)
  const auto halvings = [&](const Tensor& level) {
    return std::lround(std::log2(static_cast<double>(scene.height) / static_cast<double>(level.size(2))));
  };
  const auto align = [&](const Tensor& level, const Tensor& some) {
    return roi_align(level, some, {.height = size, .width = size, .scale = std::exp2(-halvings(level)), .samples = 2});
  };
  const auto& finest = scene.features.front();
  if (levels == 1) return align(finest, regions);
  const auto first = halvings(finest), last = halvings(scene.features[levels - 1]);
  const auto level = (4 + torch::log2(box_area(regions.slice(1, 1)).sqrt() / 224) + 1e-6)
                         .floor()
                         .clamp(static_cast<double>(first), static_cast<double>(last))
                         .to(torch::kInt64) -
                     first;
  std::vector<Tensor> parts, places;
  for (size_t i = 0; i < levels; ++i) {
    const auto here = level.eq(static_cast<int64_t>(i)).nonzero().squeeze(1);
    if (here.size(0) == 0) continue;
    parts.push_back(align(scene.features[i], regions.index_select(0, here)));
    places.push_back(here);
  }
  if (parts.empty()) return finest.new_zeros({0, finest.size(1), size, size});
  return torch::cat(parts).index_select(0, torch::cat(places).argsort());
}

}  // namespace hadal
