// Detection: what is in a picture and where; masks and keypoints with it where model and data have them.
#pragma once
#include "hadal/data/vision/scenes/scene_augment.h"
#include "hadal/tasks/task.h"
#include "hadal/trained/vision/detector.h"

namespace hadal {

struct DetectConfig : DetectorConfig {
  Part data{"auto", {}};
  SceneAugmentConfig augment;
  bool balanced = false;
  double class_weights = 0, empty_tiles = 0.25;
  bool multi_label = true;

  static Fields<DetectConfig> fields();
};

void register_detect(TaskCatalog& catalog);

}  // namespace hadal
