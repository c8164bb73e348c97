// A scene as people look at it: masks tinted, boxes with their class, keypoints with the lines between them.
#pragma once
#include "hadal/data/vision/scenes/scene_data.h"

namespace hadal {

/// A new picture (H, W, 3). What reaches beyond the picture is cut.
Tensor drawn(const Scene& scene, const SceneAbout& about);

}  // namespace hadal
