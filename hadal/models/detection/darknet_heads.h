// What [yolo] and [region] layers read out of their maps, and what they learn by.
#pragma once
#include "hadal/models/detection/darknet_plan.h"
#include "hadal/models/detection/detection_model.h"

namespace hadal {

/// A head's map (B, A x V, h, w) -> (B, A, h, w, V), at least in float: V is x, y, w, h, objectness, classes.
Tensor cells_of(const Tensor& map, const DarknetHead& head);

struct DarknetCells {
  Tensor boxes;       // (B, A, h, w, 4) x1 y1 x2 y2 in pixels
  Tensor objectness;  // (B, A, h, w, 1), 0 to 1
  Tensor classes;     // (B, A, h, w, classes), 0 to 1
};
/// `height` and `width` are the picture's, in pixels.
DarknetCells decoded(const Tensor& cells, const DarknetHead& head, int64_t height, int64_t width);

/// Sums; undefined until the first head adds to them.
struct DarknetLosses {
  Tensor box, objectness, classes;
};
void add_losses(DarknetLosses& sum, const Tensor& map, const DarknetHead& head, const Targets& targets, int64_t height,
                int64_t width);

}  // namespace hadal
