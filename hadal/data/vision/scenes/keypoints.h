// What names of keypoints tell: sides, and how far apart people put them.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hadal {

/// [k] is the point on k's other side, by "left" and "right" (or a lone l and r) in the names: left_ear and right_ear.
/// Empty where no name has such a twin.
std::vector<int64_t> mirrored_keypoints(const std::vector<std::string>& names);

/// COCO's sigmas for its 17 points of people (pycocotools); empty for other names.
std::vector<double> known_sigmas(const std::vector<std::string>& names);

/// COCO's 17 points of people, the lines between them and what else there is to know; for weights that say no more than
/// how many points they have.
const std::vector<std::string>& people_keypoints();
const std::vector<std::array<int64_t, 2>>& people_skeleton();

/// Animals are larger than their marks: x1 y1 x2 y2 around those of the points (x, y, visibility one after the other)
/// that are there, further by 15 % of their extent and at least 10 pixels; nothing where none is.
std::optional<std::array<double, 4>> box_of_keypoints(std::span<const float> points);

}  // namespace hadal
