// What D-FINE trains on (Peng et al. 2024, arXiv:2410.13842, section 4.2 and appendix).
#pragma once
#include <vector>

#include "hadal/models/detection/assign.h"
#include "hadal/models/detection/dfine.h"

namespace hadal {

/// Groups of each picture's objects, boxes as centre and sides in shares: half of a group lies near its object, half
/// farther off. `queries`: how many there are besides. Without objects nothing is defined. From torch's generator, in
/// transformers' order: the same seed, the same noise.
DfineNoise noisy_objects(const std::vector<PictureTargets>& truth, const DfineConfig& config, int64_t queries);

/// vfl, l1, giou, fgl, ddf. Each object goes to one query of each layer, so that costs sum to the least.
/// `class_weights` (classes): how much each counts in vfl; undefined: all alike.
TensorsByName dfine_losses(const DfineSeen& seen, const DfineNoise& noise, const std::vector<PictureTargets>& truth,
                           const Tensor& class_weights, const DfineConfig& config);

}  // namespace hadal
