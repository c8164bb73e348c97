// What finds the keypoints of one object in a crop of it, as a heat map a keypoint: top-down pose. One interface for
// all of them, and their catalog.
#pragma once
#include <memory>
#include <vector>

#include "hadal/core/catalog.h"
#include "hadal/models/model.h"

namespace hadal {

/// How heat maps become coordinates (see heatmaps.h).
enum class HeatmapDecoding { plain, quarter, dark };

/// How the part of a picture with the object in it becomes the network's input.
struct PosePreparation {
  int64_t height = 256, width = 192, map_height = 64, map_width = 48;
  double padding = 1.25;  // a box is so many times enlarged, after its shorter side has grown to the input's shape
  /// The middles of the outer pixels lie on each other in box, input and heat maps (Huang et al. 2020,
  /// arXiv:1911.07524); otherwise their outer edges do, and a flipped picture's heat maps are a pixel aside.
  bool unbiased = false;
  HeatmapDecoding decoding = HeatmapDecoding::quarter;  // of the family's own programs
  std::vector<double> mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225};
};

struct HeatmapModel : Model {
  /// pixels (N, 3, height, width), normalised -> heat maps (N, K, map_height, map_width), a quarter of that: about 1
  /// on a keypoint, 0 far from it. Throws Error on any other size.
  virtual Tensor forward(const Tensor& pixels) = 0;
  virtual PosePreparation preparation() const = 0;
  virtual int64_t keypoints() const = 0;
};

/// Their configs share the name `keypoints`: the task sets it from the data.
using HeatmapCatalog = Catalog<std::shared_ptr<HeatmapModel>>;

/// Every model with heat maps of keypoints that Hadal has.
const HeatmapCatalog& heatmap_models();

}  // namespace hadal
