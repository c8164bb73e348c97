// Pictures that Hadal draws by itself from a seed: textured shapes before busy backgrounds, with class, box, mask and
// keypoints for each. Data for demos, tests and first experiments that nobody has to download.
#pragma once
#include <string>
#include <vector>

#include "hadal/core/config.h"
#include "hadal/data/vision/classification.h"
#include "hadal/data/vision/scene.h"

namespace hadal {

struct ShapesConfig {
  int64_t size = 160, train = 4000, val = 500, test = 500;
  int64_t min_objects = 1, max_objects = 6;
  double min_size = 0.06, max_size = 0.6;
  int64_t seed = 0;

  static Fields<ShapesConfig> fields();
  void validate() const;
};

/// Scenes of circles, squares, triangles and stars at any angle, sizes evenly spread over the octaves, in front of one
/// another and over the picture's border. Masks hold what is visible, boxes are tight around masks, and a shape that
/// the others would hide almost wholly is not drawn. Scene i depends on the seed, the split and i alone.
class Shapes {
 public:
  /// `split` is train, val or test. Throws UsageError for another one, or for settings that cannot be drawn.
  Shapes(const ShapesConfig& config, const std::string& split);
  int64_t size() const { return count_; }
  /// All members set, N from 1 to max_objects, front to back. May be called from several threads at once.
  Scene get(int64_t index) const;

  static const std::vector<std::string>& classes();
  /// The same five for all classes: centre, head, tail, left, right. A light dot marks the head; left is left of one
  /// who stands in the centre and looks to the head.
  static const std::vector<std::string>& keypoints();
  /// keypoint_swap()[k] is what keypoint k becomes in a mirrored picture.
  static const std::vector<int64_t>& keypoint_swap();

 private:
  ShapesConfig config_;
  uint64_t split_;
  int64_t count_;
};

struct ShapesClassificationConfig {
  int64_t size = 64, train = 10000, val = 1000, test = 1000, classes = 8;
  double min_size = 0.35, max_size = 0.9;
  int64_t seed = 0;

  static Fields<ShapesClassificationConfig> fields();
  void validate() const;
};

/// One shape a picture, over clutter; picture i is of class i modulo the number of classes.
class ShapesClassification : public ClassificationData {
 public:
  ShapesClassification(const ShapesClassificationConfig& config, const std::string& split);
  int64_t size() const override { return count_; }
  LabelledImage get(int64_t index) const override;
  int64_t channels() const override { return 3; }
  const std::vector<std::string>& classes() const override { return classes_; }
  std::string name(int64_t index) const override;

 private:
  ShapesClassificationConfig config_;
  std::string split_name_;
  uint64_t split_;
  int64_t count_;
  std::vector<std::string> classes_;
};

}  // namespace hadal
