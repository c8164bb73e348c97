// How good a detector is on a split: COCO's scores of boxes, masks and keypoints, kinds of error, pictures of both.
#pragma once
#include <optional>

#include "hadal/data/vision/scenes/scene_data.h"
#include "hadal/metrics/coco.h"
#include "hadal/tasks/figure.h"
#include "hadal/tasks/task.h"
#include "hadal/trained/vision/detector.h"

namespace hadal {

/// For each class of the data its place among the model's, by name; in its own order where there are as many and no
/// name is shared. Throws UsageError on a class that the model does not know.
std::vector<int64_t> match_scene_classes(const std::vector<std::string>& data, const std::vector<std::string>& model);

class DetectJudge {
 public:
  /// `classes`: the model's label of each of the data's.
  DetectJudge(const TrainedDetector& detector, std::shared_ptr<const SceneData> data, std::vector<int64_t> classes);
  /// What was found in the picture, in its pixels.
  void add(int64_t index, const Found& found);
  /// box_mAP50-95, box_mAP50, box_mAP75; mask_... and keypoint_AP, keypoint_AP50 where the model has them.
  Metrics metrics();
  /// Truth beside what was found, the confusion matrix, curves of precision over recall, what keeps the score down.
  std::vector<Figure> figures() const;

  static std::vector<Score> scores(const DetectionModel& model);
  static std::string goal(const DetectionModel& model);

 private:
  struct Shown {
    int64_t index;
    Found found;
  };
  PictureGrid pictures() const;

  const TrainedDetector& detector_;
  std::shared_ptr<const SceneData> data_;
  std::vector<int64_t> classes_;
  CocoEvaluation boxes_;
  std::optional<CocoEvaluation> masks_, keypoints_;
  std::optional<CocoScores> scored_;
  std::vector<Shown> shown_;
  int64_t seen_ = 0;
};

}  // namespace hadal
