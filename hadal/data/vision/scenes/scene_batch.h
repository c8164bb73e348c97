// Batches for detectors: pictures augmented or prepared, with what is in them.
#pragma once
#include "hadal/data/loader.h"
#include "hadal/data/vision/scenes/placement.h"
#include "hadal/data/vision/scenes/scene_augment.h"

namespace hadal {

struct SceneBatch {
  Tensor pixels;                      // (B, 3, H, W) float32, the network's input
  Tensor sizes;                       // (B, 2) int64: height and width of what counts of each
  Targets targets;                    // crowds are not in it
  std::vector<Placement> placements;  // of scoring; in training the pictures have no way back
  std::vector<int64_t> indices;
};

/// Makes batches of a data set. May be called from several threads at once; the same plan and progress give the same
/// batch. Errors carry the picture's name.
class SceneTransform {
 public:
  /// `size` 0: the preparation's. `masks`: wanted in the targets (where the data has them).
  SceneTransform(const SceneAugmentConfig& config, const Preparation& preparation, bool train, bool masks,
                 int64_t size = 0);

  int64_t size() const { return size_; }
  const Preparation& preparation() const { return preparation_; }
  /// `progress`: how far the run is, 0 to 1. In training all pictures of a batch have one size, which multi_scale
  /// changes from batch to batch by whole strides; pictures of shorter_side keep their shape.
  SceneBatch operator()(const SceneData& data, const BatchPlan& plan, double progress = 0) const;
  /// One training picture, as the report shows it.
  Scene train_scene(const SceneData& data, int64_t index, double progress, int64_t size, Random& random) const;

 private:
  SceneFrame frame_for(const SceneData& data, int64_t index, int64_t size, double progress) const;

  SceneAugmentConfig config_;
  Preparation preparation_;
  bool train_, masks_;
  int64_t size_;
};

/// Scenes one below the other.
Targets targets_of(const std::vector<Scene>& scenes);

}  // namespace hadal
