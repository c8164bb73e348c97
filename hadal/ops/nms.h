// Non-maximum suppression: of boxes that overlap, the one with the best score stays. Runs on the CPU; tensors of other
// devices are brought there and the answer back.
#pragma once
#include <utility>

#include "hadal/core/torch.h"

namespace hadal {

/// boxes (N, 4) x1 y1 x2 y2, scores (N) -> the places of those that stay, best first, int64. A box goes when its
/// intersection over union with a better one that stays is above `iou`; of equal scores the earlier one is the better.
/// Throws Error where shapes do not fit.
Tensor nms(const Tensor& boxes, const Tensor& scores, double iou);

/// The same, only boxes of one class (N, int64) competing.
Tensor nms(const Tensor& boxes, const Tensor& scores, const Tensor& classes, double iou);

/// How a score falls by a better box's overlap o, instead of going (Bodla et al. 2017, arXiv:1704.04503).
struct SoftNms {
  enum class Kind { linear, gaussian } kind = Kind::gaussian;
  double iou = 0.3;     // linear: 1 - o above it
  double sigma = 0.5;   // gaussian: exp(-o^2 / sigma)
  double least = 1e-3;  // a score that falls below goes
};

/// (N, 4), (N), classes (N) or undefined -> places that stay and their lowered scores, best first.
std::pair<Tensor, Tensor> soft_nms(const Tensor& boxes, const Tensor& scores, const Tensor& classes,
                                   const SoftNms& how);

}  // namespace hadal
