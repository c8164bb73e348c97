// Features of regions out of a pyramid: each region from the level that fits its size (Lin et al. 2017,
// arXiv:1612.03144, equation 1).
#pragma once
#include "hadal/models/detection/rpn.h"

namespace hadal {

/// The finest `levels` of the scene's features, a picture's boxes (N_i, 4) each -> (sum N_i, C, size, size), picture by
/// picture; two samples along a bin, as torchvision's MultiScaleRoIAlign.
Tensor roi_features(const Scene& scene, size_t levels, const std::vector<Tensor>& boxes, int64_t size);

}  // namespace hadal
