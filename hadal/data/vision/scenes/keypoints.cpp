#include "hadal/data/vision/scenes/keypoints.h"

#include <algorithm>
#include <cctype>

namespace hadal {
namespace {

/// The name with left for right and right for left, in small letters; itself where it has no side.
std::string other_side(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const auto& [from, to] : {std::pair<std::string, std::string>{"left", "right"}, {"right", "left"}})
    if (const auto at = name.find(from); at != std::string::npos) return name.replace(at, from.size(), to);
  // A lone letter between the ends and marks that are none: l_ear, ear-r, paw.l.
  for (size_t i = 0; i < name.size(); ++i) {
    const auto letter = [&](size_t at) {
      return at < name.size() && std::isalnum(static_cast<unsigned char>(name[at]));
    };
    if ((name[i] == 'l' || name[i] == 'r') && (i == 0 || !letter(i - 1)) && !letter(i + 1)) {
      name[i] = name[i] == 'l' ? 'r' : 'l';
      return name;
    }
  }
  return name;
}

std::string small(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

}  // namespace

std::vector<int64_t> mirrored_keypoints(const std::vector<std::string>& names) {
  std::vector<int64_t> out(names.size());
  bool sides = false;
  for (size_t k = 0; k < names.size(); ++k) {
    out[k] = static_cast<int64_t>(k);
    const auto other = other_side(names[k]);
    if (other == small(names[k])) continue;
    for (size_t j = 0; j < names.size(); ++j)
      if (small(names[j]) == other) out[k] = static_cast<int64_t>(j), sides = true;
  }
  return sides ? out : std::vector<int64_t>{};
}

const std::vector<std::string>& people_keypoints() {
  static const std::vector<std::string> names = {
      "nose",           "left_eye",   "right_eye",   "left_ear",   "right_ear",   "left_shoulder",
      "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
      "right_hip",      "left_knee",  "right_knee",  "left_ankle", "right_ankle"};
  return names;
}

const std::vector<std::array<int64_t, 2>>& people_skeleton() {
  static const std::vector<std::array<int64_t, 2>> lines = {
      {15, 13}, {13, 11}, {16, 14}, {14, 12}, {11, 12}, {5, 11}, {6, 12}, {5, 6}, {5, 7}, {6, 8},
      {7, 9},   {8, 10},  {1, 2},   {0, 1},   {0, 2},   {1, 3},  {2, 4},  {3, 5}, {4, 6}};
  return lines;
}

std::optional<std::array<double, 4>> box_of_keypoints(std::span<const float> points) {
  constexpr double kMargin = 0.15, kLeastMargin = 10;
  std::optional<std::array<double, 4>> box;
  for (size_t k = 0; k + 2 < points.size(); k += 3) {
    if (!(points[k + 2] > 0)) continue;
    const double x = points[k], y = points[k + 1];
    if (!box) box = {x, y, x, y};
    auto& b = *box;
    b = {std::min(b[0], x), std::min(b[1], y), std::max(b[2], x), std::max(b[3], y)};
  }
  if (!box) return box;
  const auto& [x1, y1, x2, y2] = *box;
  const auto margin = std::max(kLeastMargin, kMargin * std::max(x2 - x1, y2 - y1));
  return std::array{x1 - margin, y1 - margin, x2 + margin, y2 + margin};
}

std::vector<double> known_sigmas(const std::vector<std::string>& names) {
  if (names != people_keypoints()) return {};
  return {.026, .025, .025, .035, .035, .079, .079, .072, .072, .062, .062, .107, .107, .087, .087, .089, .089};
}

}  // namespace hadal
