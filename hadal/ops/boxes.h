// Boxes: (..., 4) tensors, x1 y1 x2 y2 in pixels where nothing else is said. Integers are computed with as floats, half
// precision as float.
#pragma once
#include "hadal/core/torch.h"

namespace hadal {

/// Corner, width and height; or centre, width and height. With gradients.
Tensor xyxy_from_xywh(const Tensor& boxes);
Tensor xyxy_from_cxcywh(const Tensor& boxes);
Tensor xywh_from_xyxy(const Tensor& boxes);
Tensor cxcywh_from_xyxy(const Tensor& boxes);

/// (..., 4) -> (...), square pixels.
Tensor box_area(const Tensor& boxes);
/// What of each box lies within [0, width] x [0, height].
Tensor clip_boxes(const Tensor& boxes, double height, double width);
/// Which boxes (N, 4) have no side shorter than `shortest` pixels: (N) bool.
Tensor large_boxes(const Tensor& boxes, double shortest);

/// Intersection over union of all pairs, (N, 4) and (M, 4) -> (N, M); 0 / 0 is NaN, as in torchvision. With gradients.
Tensor box_iou(const Tensor& a, const Tensor& b);

/// giou: Rezatofighi et al. 2019, arXiv:1902.09630. diou, ciou: Zheng et al. 2020, arXiv:1911.08287.
enum class Overlap { iou, giou, diou, ciou };

/// The overlap of boxes with their counterparts, (..., 4) and (..., 4), which broadcast -> (...); the loss of a box is
/// 1 minus it. With gradients; ciou's weight alpha of the aspect ratio passes none. `eps` stands in each denominator.
Tensor box_overlap(const Tensor& a, const Tensor& b, Overlap kind, double eps = 1e-7);

}  // namespace hadal
