// Batches of crops, an object each, for models with heat maps: what they see, and where its keypoints lie.
#pragma once
#include "hadal/data/loader.h"
#include "hadal/data/vision/scenes/pose_crop.h"

namespace hadal {

struct PoseAugmentConfig {
  double degrees = 40, scale = 0.35, translate = 0.05;
  double hflip = 0.5, vflip = 0, half_body = 0;
  double hsv_h = 0.015, hsv_s = 0.5, hsv_v = 0.3;

  static Fields<PoseAugmentConfig> fields();
};

/// An object of a picture.
struct PoseSample {
  int64_t picture = 0, object = 0;
};

/// Those of which a point is there and that are no crowd. Throws UsageError where the whole picture is to be looked at
/// and one has several of them.
std::vector<PoseSample> pose_samples(const SceneData& data, PoseBox from);
/// The same of one picture.
std::vector<int64_t> posed_objects(const SceneTruth& truth);

struct PoseBatch {
  Tensor pixels;   // (N, 3, height, width)
  Tensor points;   // (N, K, 3) in the heat maps: x, y, weight
  Tensor wanted;   // (N, K, map_height, map_width)
  Tensor weights;  // (N, K)
};

/// Makes training batches; safe to use from several threads.
class PoseTransform {
 public:
  PoseTransform(const PoseAugmentConfig& config, PosePreparation preparation, PoseBox from, double sigma);
  PoseBatch operator()(const SceneData& data, const std::vector<PoseSample>& samples, const BatchPlan& plan) const;

 private:
  /// How the object comes into the input; `mirrored`: with its sides changed.
  Homography choose(const SceneTruth& truth, int64_t object, bool& mirrored, Random& random) const;

  PoseAugmentConfig config_;
  PosePreparation preparation_;
  PoseBox from_;
  double sigma_;
};

}  // namespace hadal
