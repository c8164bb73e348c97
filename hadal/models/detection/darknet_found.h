// What is left of a picture's candidates.
#pragma once
#include "hadal/models/detection/detection_model.h"

namespace hadal {

/// boxes (K, 4), scores (K), labels (K) int64, size (2): the picture's height and width -> the best `options.most` of
/// those that nms() leaves, on the CPU, cut at the picture's edges. Those without a finite number are left out.
Found best_found(const Tensor& boxes, const Tensor& scores, const Tensor& labels, const Tensor& size,
                 const FindOptions& options);

}  // namespace hadal
