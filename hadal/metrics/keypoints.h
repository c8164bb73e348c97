// How close keypoints come: OKS, suppression by it, PCK, root mean square error.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace hadal {

/// Object keypoint similarity of two lists of x, y, visibility, as pycocotools computes it
/// (https://cocodataset.org/#keypoints-eval), over what is visible in the truth. Where nothing is, found points count
/// as right within `box` (x, y, width, height) made twice as large on each side. `area` in pixels is the truth's.
double keypoint_similarity(std::span<const double> found, std::span<const double> truth,
                           const std::array<double, 4>& box, double area, std::span<const double> sigmas);

/// An object that was found, with x, y, score for each keypoint.
struct FoundKeypoints {
  std::vector<double> keypoints;
  double score = 0, area = 0;  // area in pixels
};
/// The score of a box times the mean score of those of its keypoints whose score is above `least`: how top-down pose
/// models are ranked (mmpose's bbox_keypoint). 0 where there is none.
double keypoint_score(double box_score, std::span<const double> keypoints, double least = .2);
/// Which of a picture's objects stay, best first: one whose similarity with a better one is above `most` goes. The area
/// is the mean of both. As mmpose's oks_nms: similarities in single precision, of equal scores the later first.
std::vector<size_t> keypoint_nms(const std::vector<FoundKeypoints>& found, double most, std::span<const double> sigmas);

/// Distances between found and true keypoints, each added up where the truth is visible.
class KeypointErrors {
 public:
  explicit KeypointErrors(size_t keypoints) : sums_(keypoints) {}
  /// Both are x, y, visibility each. `size` in pixels is what distances are measured by for PCK: the longer side of the
  /// object's box, the length of its head or torso. Throws Error on lengths that differ and a size that is not above 0.
  void add(std::span<const double> found, std::span<const double> truth, double size);
  /// An object that was not found at all: its visible keypoints are close to nothing, and have no distance.
  void add_missed(std::span<const double> truth);
  /// The share of keypoints closer than `share` of the size, in the order the keypoints have; NaN where none was
  /// visible.
  std::vector<double> pck(double share) const;
  /// The share of keypoints at most so many pixels away; NaN likewise.
  std::vector<double> within(double pixels) const;
  /// In pixels, over what was found; NaN where none was.
  std::vector<double> rmse() const;
  std::vector<double> median() const;
  /// Every distance of keypoint k in pixels, in the order they came.
  const std::vector<double>& distances(size_t k) const { return sums_.at(k).pixels; }
  /// Over all visible keypoints.
  double mean_pck(double share) const;
  double mean_within(double pixels) const;
  double mean_rmse() const;
  double median_of_all() const;

 private:
  struct Sums {
    std::vector<double> relative, pixels;  // distance / size, distance
    double squares = 0;
    int64_t missed = 0;

    double pck(double share) const;
    double within(double most) const;
    double rmse() const;
    double part(int64_t close) const;
  };
  Sums together() const;
  template <class Measure>
  std::vector<double> each(const Measure& measure) const;

  std::vector<Sums> sums_;
};

}  // namespace hadal
