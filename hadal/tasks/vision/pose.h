// Pose from the top down: the keypoints of an object in its box.
#pragma once
#include "hadal/data/vision/scenes/pose_batch.h"
#include "hadal/tasks/task.h"
#include "hadal/trained/vision/pose.h"

namespace hadal {

struct PoseConfig : TrainedPoseConfig {
  Part data{"auto", {}};
  std::string box = "data";
  double sigma = 2;
  std::vector<double> sigmas;
  PoseAugmentConfig augment;

  static Fields<PoseConfig> fields();
};

void register_pose(TaskCatalog& catalog);

}  // namespace hadal
