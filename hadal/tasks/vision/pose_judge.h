// How good poses are on a split: OKS as COCO scores it, distances in pixels and in shares of the object, each point's.
#pragma once
#include <optional>

#include "hadal/data/vision/scenes/scene_data.h"
#include "hadal/metrics/coco.h"
#include "hadal/metrics/keypoints.h"
#include "hadal/tasks/figure.h"
#include "hadal/tasks/task.h"
#include "hadal/trained/vision/pose.h"

namespace hadal {

/// For each keypoint of the data its place among the model's, by name; in its own order where there are as many and no
/// name is shared. Throws UsageError on a keypoint that the model does not know.
std::vector<int64_t> match_keypoints(const std::vector<std::string>& data, const std::vector<std::string>& model);

class PoseJudge {
 public:
  /// `order`: the model's place of each of the data's keypoints; `sigmas`: how far apart people put them, empty where
  /// nobody knows.
  PoseJudge(const TrainedPose& pose, std::shared_ptr<const SceneData> data, std::vector<int64_t> order,
            const std::vector<double>& sigmas);
  /// What was found, (N, K, 3), in the boxes of those objects of the picture of which a point is there, in their order.
  void add(int64_t index, const Tensor& found);
  /// What a detector's boxes held. An object's points are those of the box that overlaps its own most, each box being
  /// one object's; where none overlaps by a third it was missed.
  void add(int64_t index, std::vector<Detection> found);
  /// median_px, rmse_px, within_15, pck50, pck10 over all points that are there; with sigmas COCO's ten numbers
  /// before them, keypoint_AP to keypoint_AR_large.
  Metrics metrics() const;
  /// Truth beside what was found, how many points come how near, each point's errors.
  std::vector<Figure> figures() const;

  static std::vector<Score> scores(const SceneAbout& about);
  static std::string goal(const SceneAbout& about);

 private:
  struct Shown {
    int64_t index;
    std::vector<Detection> found;
  };
  /// `of`: for each of `objects` which one was found for it, -1: none.
  void take(int64_t index, const SceneTruth& truth, const std::vector<int64_t>& objects, std::vector<Detection> found,
            const std::vector<int64_t>& of);
  const std::vector<std::string>& names() const { return data_->about().keypoints; }

  const TrainedPose& pose_;
  std::shared_ptr<const SceneData> data_;
  std::vector<int64_t> order_;
  KeypointErrors errors_;
  std::optional<CocoEvaluation> coco_;
  std::vector<Shown> shown_;
  int64_t seen_ = 0;
  int64_t objects_ = 0, found_ = 0;  // of those that a detector was to find
};

}  // namespace hadal
