// A trained detector: boxes, and where its model has them masks and keypoints, in pixels of the picture.
#pragma once
#include <array>
#include <optional>

#include "hadal/data/vision/scenes/placement.h"
#include "hadal/data/vision/scenes/scene_data.h"
#include "hadal/trained/open.h"
#include "hadal/trained/vision/tracker.h"

namespace hadal {

struct DetectOptions {
  double conf = 0.25, iou = 0;
  int64_t most = 0, size = 0, tile = -1;
  double overlap = -1;
  std::vector<std::string> save = {"png"};
  bool track = false;

  static Fields<DetectOptions> fields();
  void validate() const;
};

struct DetectorConfig {
  Part model{"yolov8n", {}};
  std::vector<std::string> names;
  int64_t size = 0, tile = 0;
  double overlap = 0.2;
  DetectOptions predict;

  static Fields<DetectorConfig> fields();
};

/// What the data of a detector teaches: what its numbers stand for.
struct DetectorLearned {
  std::vector<std::string> names;
  std::vector<int64_t> categories;
  std::vector<std::string> keypoints;
  std::vector<std::vector<int64_t>> skeleton;
  std::vector<int64_t> swap;
  std::vector<double> sigmas;

  static Fields<DetectorLearned> fields();
  static DetectorLearned from(const Table& learned);
  static DetectorLearned of(const SceneAbout& about);
  SceneAbout about() const;
};

struct Detection {
  std::string name;
  int64_t label = 0;
  double score = 0;
  std::array<float, 4> box{};  // x1 y1 x2 y2
  Tensor mask;                 // (H, W) uint8, 0 or 1, of the picture's size; undefined: the model has none
  Tensor keypoints;            // (K, 3) float32: x, y, score
  int64_t id = -1;             // which object of a video it is, from 1; -1: nobody asked
};

class TrainedDetector : public Trained {
 public:
  TrainedDetector(DetectorConfig config, const Table& learned, const Use& use);

  DetectionModel& model() override { return *model_; }
  Takes takes() const override { return Takes::picture; }
  std::string summary() const override;
  int64_t at_once() const override { return use_.batch; }
  /// {"input", "detections": [{"class", "score", "box", "mask", "keypoints"}]}; the picture with what was found drawn
  /// on it, and what `save` names besides: NAME.txt with YOLO's labels, coco.json with COCO's results; of videos
  /// points.csv where the model has keypoints. With `track` inputs are one video after the other, in order, and
  /// detections have "id": what no object was found for is left out, and what scores less than `conf` is there when its
  /// object is known.
  std::vector<Answer> predict(std::span<const Input> inputs, const Table& options = {}) override;

  /// image (H, W, 3) uint8 -> what is in it, best first.
  std::vector<Detection> operator()(const Tensor& image);
  /// The same for several, as tensors in pixels of each; masks (N, m, n) in their boxes.
  std::vector<Found> find(std::span<const Tensor> images, const DetectOptions& options) {
    return find(images, options, settled(options));
  }
  /// With `how` in place of what the options say of scores and numbers.
  std::vector<Found> find(std::span<const Tensor> images, const DetectOptions& options, const FindOptions& how);
  /// A batch that was prepared already, each picture with its way back.
  std::vector<Found> find(const Tensor& pixels, const Tensor& sizes, std::span<const Placement> placed,
                          const FindOptions& options);
  std::vector<Detection> detections(const Found& found, ImageSize size) const;
  /// What is open in `options` as the model's family usually has it.
  FindOptions settled(const DetectOptions& options) const;
  /// What is open of tiles in `options` as it was in training. Throws UsageError for tiles below the model's stride.
  DetectOptions cut_as_trained(DetectOptions options) const;

  const DetectorConfig& config() const { return config_; }
  const SceneAbout& about() const { return about_; }
  const Preparation& preparation() const { return preparation_; }
  /// (B, 3, H, W) pixels as the model wants them in memory.
  Tensor laid_out(Tensor pixels) const;

 private:
  std::vector<Detection> tracked(const Found& found, const Input& input, ImageSize size, const DetectOptions& options);
  Found find_in_tiles(const Tensor& image, const DetectOptions& options, const FindOptions& how);

  DetectorConfig config_;
  Use use_;
  SceneAbout about_;
  Preparation preparation_;
  std::shared_ptr<DetectionModel> model_;
  std::optional<Tracker> tracker_;  // of the video that predict() is in
};

/// Masks (N, m, n) in their boxes, or undefined -> (N, H, W) uint8, 0 or 1, of a picture of that size.
Tensor pasted_masks(const Found& found, ImageSize size);

/// auto detector = load_detector("best.safetensors"); auto found = (*detector)(read_image("a.jpg"));
std::unique_ptr<TrainedDetector> load_detector(const std::filesystem::path& what, const UseOptions& options = {});

void register_trained_detector(TrainedCatalog& catalog);

}  // namespace hadal
