// What names of keypoints tell: sides, and how far apart people put them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace hadal {

/// [k] is the point on k's other side, by "left" and "right" (or a lone l and r) in the names: left_ear and right_ear.
/// Empty where no name has such a twin.
std::vector<int64_t> mirrored_keypoints(const std::vector<std::string>& names);

/// COCO's sigmas for its 17 points of people (pycocotools); empty for other names.
std::vector<double> known_sigmas(const std::vector<std::string>& names);

}  // namespace hadal
