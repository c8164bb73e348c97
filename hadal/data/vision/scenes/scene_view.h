// Scaling what goes with a picture, for data sets that give shrunk pictures.
#pragma once
#include <string>
#include <string_view>

#include "hadal/data/vision/transforms.h"

namespace hadal {

/// The size with its longer side at most `longest` (0: as it is), at least 1 x 1.
ImageSize shrunk_size(ImageSize size, int64_t longest);
Tensor scaled_boxes(const Tensor& boxes, ImageSize from, ImageSize to);
Tensor scaled_keypoints(const Tensor& keypoints, ImageSize from, ImageSize to);
/// A whole scene, shrunk with all that is in it.
Scene shrunk(const Scene& scene, int64_t longest);
inline std::string joined_name(std::string_view root, std::string_view path) {
  return std::string(root) + "/" + std::string(path);
}

}  // namespace hadal
