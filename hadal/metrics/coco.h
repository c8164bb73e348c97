// COCO's scores for boxes, masks and keypoints, number for number as pycocotools gives them
// (https://cocodataset.org/#detection-eval): AP over IoU .50 to .95, by size, AR by how many results a picture may
// have.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "hadal/core/torch.h"
#include "hadal/metrics/metrics.h"
#include "hadal/ops/rle.h"

namespace hadal {

enum class CocoKind { kBox, kMask, kKeypoints };

/// An object of the truth, or one that was found.
struct CocoObject {
  int64_t picture = 0, label = 0;
  double score = 0;               // of what was found
  std::array<double, 4> box{};    // x, y, width, height in pixels
  double area = -1;               // in pixels, decides what is small and large; -1: the mask's, or the box's
  bool crowd = false;             // of truth: a region of many objects; what is found inside is neither right nor wrong
  bool ignore = false;            // of truth: need not be found
  bool never_found = false;       // of truth: takes a match, which counts as none: see coco_files.h
  Rle mask;                       // for kMask
  std::vector<double> keypoints;  // for kKeypoints: x, y, visibility each; of truth 0 is not there
};

/// An interval of areas, both ends included.
struct CocoRange {
  const char* name;  // "small": AP_small, AR_small
  double low, high;
};

struct CocoSettings {
  CocoKind kind = CocoKind::kBox;
  std::vector<double> thresholds;  // of IoU or OKS, at most 32; default .50, .55, ..., .95
  std::vector<int64_t> most;       // results a picture and class, rising; default 1, 10, 100, for keypoints 20
  std::vector<CocoRange> ranges;   // the first one is all; default all, small, medium, large, for keypoints no small
  std::vector<double> sigmas;      // of keypoints; default COCO's 17
  bool one_class = false;          // labels do not matter (pycocotools' useCats = 0), but for keypoints
};
/// The settings with every default filled in. Throws UsageError where they cannot be.
CocoSettings complete(CocoSettings settings);
const std::vector<double>& coco_sigmas();
/// For keypoints whose spread nobody has measured: 1 / count each, as ultralytics takes it in loss and score.
std::vector<double> equal_sigmas(size_t count);

struct CocoClassScore {
  int64_t label = 0;
  int64_t truth = 0, found = 0;                     // objects that are to be found, results (at most 100 a picture)
  double ap = -1, ap_50 = -1, ap_75 = -1, ar = -1;  // -1 where there is nothing to find
  std::vector<double> ap_by_range;                  // as settings.ranges
};

/// Numbers are in [0, 1]; -1 stands where there is nothing to find, as in pycocotools.
struct CocoScores {
  static constexpr int64_t kRecalls = 101;  // 0, .01, ..., 1
  CocoSettings settings;
  /// AP, AP50, AP75, AP_small, AP_medium, AP_large, AR1, AR10, AR100, AR_small, AR_medium, AR_large; for keypoints AP,
  /// AP50, AP75, AP_medium, AP_large, AR, AR50, AR75, AR_medium, AR_large.
  Metrics summary;
  std::vector<CocoClassScore> classes;  // by label: all that the truth or the results have
  std::vector<double> precision;        // (classes, ranges, thresholds, 101), with the most results
  std::vector<double> confidence;       // the same: the score at which that recall is reached, 0 where it is not
  std::vector<double> recall;           // (classes, ranges, most, thresholds)

  /// 101 precisions, at recall 0 to 1.
  const double* curve(size_t class_index, size_t threshold, size_t range = 0) const {
    return &precision[((class_index * settings.ranges.size() + range) * settings.thresholds.size() + threshold) *
                      kRecalls];
  }
  /// A number of the summary. Throws Error when there is none of the name.
  double at(const std::string& name) const;
};

/// Truth and results, added in any order. Results of equal score count in the order of their pictures' numbers, within
/// a picture in the order they came.
class CocoEvaluation {
 public:
  explicit CocoEvaluation(CocoSettings settings = {});
  /// Room for so many, where that is known.
  void reserve(size_t truth, size_t found) { truth_.reserve(truth), found_.reserve(found); }
  /// Both throw Error on numbers that are not finite, and where mask or keypoints are missing or of the wrong size.
  void add_truth(CocoObject object);
  void add_found(CocoObject object);
  /// The scores of what is there; in parallel.
  CocoScores scores() const;

  const CocoSettings& settings() const { return settings_; }
  const std::vector<CocoObject>& truth() const { return truth_; }
  const std::vector<CocoObject>& found() const { return found_; }

 private:
  void check(CocoObject& object, const char* what) const;

  CocoSettings settings_;
  std::vector<CocoObject> truth_, found_;
};

/// A picture's objects from tensors: boxes (N, 4) x1 y1 x2 y2, labels (N), and where they are defined scores (N), masks
/// (N, H, W), keypoints (N, K, 3). An object with keypoints of which none is visible is to be ignored, as in COCO.
std::vector<CocoObject> coco_objects(int64_t picture, const Tensor& boxes, const Tensor& labels,
                                     const Tensor& scores = {}, const Tensor& masks = {}, const Tensor& keypoints = {});

/// How alike `count_found` x `count_truth` objects are: IoU of boxes or masks, or OKS; found down, truth across. A
/// crowd is measured by the found one's area alone, unless `as_crowds` is false.
void coco_overlaps(const CocoSettings& settings, const CocoObject* const* found, size_t count_found,
                   const CocoObject* const* truth, size_t count_truth, std::vector<double>& out, bool as_crowds = true);

}  // namespace hadal
