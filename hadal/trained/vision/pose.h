// A trained model of poses from the top down: in each box of a picture, or in all of it, the keypoints of one object.
#pragma once
#include <filesystem>

#include "hadal/data/vision/scenes/pose_crop.h"
#include "hadal/trained/vision/detector.h"

namespace hadal {

struct PoseOptions {
  std::string detector;
  double conf = 0.25, sure = 0.3;
  int64_t most = 0;
  std::string decode = "auto";
  bool flip_test = false, track = false;
  std::vector<std::string> save = {"png"};

  static Fields<PoseOptions> fields();
};

struct TrainedPoseConfig {
  Part model{"simplebaseline_resnet18", {}};
  std::vector<std::string> names;
  double padding = 0;
  PoseOptions predict;

  static Fields<TrainedPoseConfig> fields();
};

/// Where an object lies in a picture.
struct PosedBox {
  Window box{};
  double padding = 0;  // 0: the model's
};

class TrainedPose : public Trained {
 public:
  TrainedPose(TrainedPoseConfig config, const Table& learned, const Use& use);

  HeatmapModel& model() override { return *model_; }
  Takes takes() const override { return Takes::picture; }
  std::string summary() const override;
  int64_t at_once() const override { return use_.batch; }
  /// {"input", "detections": [{"class", "score", "box", "keypoints": [[x, y, score]]}]}, as a detector with keypoints
  /// answers; "note" where the detector found nobody. The picture with skeletons drawn on it, and what `save` names
  /// besides; of a video NAME-points.csv as DeepLabCut writes one (see pose_answers.h). Without predict.detector each
  /// picture is one object.
  std::vector<Answer> predict(std::span<const Input> inputs, const Table& options = {}) override;

  /// image (H, W, 3) uint8 -> its objects, those of predict.detector or the whole picture.
  std::vector<Detection> operator()(const Tensor& image);
  /// The same for several, with other options; nothing is followed.
  std::vector<std::vector<Detection>> poses(std::span<const Tensor> images, const PoseOptions& options);
  /// Keypoints (N, K, 3) x, y, score in the picture's pixels, an object a box.
  Tensor find(const Tensor& image, std::span<const PosedBox> boxes, const PoseOptions& options);
  /// The same for several pictures, whose boxes share batches.
  std::vector<Tensor> find(std::span<const Tensor> images, const std::vector<std::vector<PosedBox>>& boxes,
                           const PoseOptions& options);

  const TrainedPoseConfig& config() const { return config_; }
  const SceneAbout& about() const { return about_; }
  const PosePreparation& preparation() const { return preparation_; }
  /// (N, 3, H, W) pixels as the model wants them in memory.
  Tensor laid_out(Tensor pixels) const;

 private:
  Tensor maps(const Tensor& pixels, bool flip_test);
  TrainedDetector& detector(const std::string& path);
  /// `columns`: of each picture the ids in the columns of its table, where objects are followed and there is one.
  std::vector<std::vector<Detection>> objects(std::span<const Tensor> images, std::span<const Input> inputs,
                                              const PoseOptions& options, std::vector<std::vector<int64_t>>& columns);
  std::vector<std::vector<Detection>> posed(std::span<const Tensor> images, std::vector<std::vector<Detection>> objects,
                                            const PoseOptions& options);

  TrainedPoseConfig config_;
  Use use_;
  SceneAbout about_;
  PosePreparation preparation_;
  std::shared_ptr<HeatmapModel> model_;
  std::string detector_path_;
  std::unique_ptr<TrainedDetector> detector_;
  std::optional<Tracker> tracker_;  // of the video that predict() is in
  std::optional<TrackColumns> columns_;
};

/// auto pose = load_pose("best.safetensors"); auto found = (*pose)(read_image("a.jpg"));
std::unique_ptr<TrainedPose> load_pose(const std::filesystem::path& what, const UseOptions& options = {});

void register_trained_pose(TrainedCatalog& catalog);

}  // namespace hadal
