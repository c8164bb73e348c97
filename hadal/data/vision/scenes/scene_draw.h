// A scene as people look at it: masks tinted and outlined, boxes with their class, keypoints with the lines between
// them.
#pragma once
#include "hadal/data/vision/scenes/scene_data.h"

namespace hadal {

/// A new picture (H, W, 3), a small one enlarged a whole number of times. What reaches beyond the picture is cut.
/// `captions` stand on the boxes, one an object, in place of class names; in a crowd, where there is room.
Tensor drawn(const Scene& scene, const SceneAbout& about, const std::vector<std::string>& captions = {});

}  // namespace hadal
