// Pictures with objects in them: what every data set for detection, segmentation and pose gives, whatever its files.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "hadal/data/vision/scene.h"
#include "hadal/io/image.h"

namespace hadal {

/// What the numbers of a data set's labels stand for. It travels with the weights that were trained on it.
struct SceneAbout {
  std::vector<std::string> classes;
  std::vector<int64_t> categories;               // COCO's number of each class; empty: from 1
  std::vector<std::string> keypoints;            // of every object; empty: it has none
  std::vector<std::array<int64_t, 2>> skeleton;  // lines between keypoints, from 0
  std::vector<int64_t> swap;   // swap[k] is the keypoint that takes k's place in the mirror; empty: no sides
  std::vector<double> sigmas;  // COCO's, one a keypoint: how far apart people put it; empty: none known
  bool masks = false;
};

/// A picture's labels without the picture. Members that a data set does not have stay undefined.
struct SceneTruth {
  int64_t width = 0, height = 0;
  Tensor boxes, labels, keypoints, crowd, area;  // as in Scene
};

/// What a caller wants of a scene.
struct SceneView {
  bool masks = true;    // false: they stay undefined
  int64_t longest = 0;  // above 0: a picture with a longer side than this is shrunk to it, with all that is in it
};

/// get(), part() and truth() may be called from several threads at once and always give the same for the same index.
/// What they give may share memory with the data set: callers do not write into it. All throw FileError with the
/// file's name.
class SceneData {
 public:
  virtual ~SceneData() = default;
  virtual int64_t size() const = 0;
  virtual Scene get(int64_t index, const SceneView& view = {}) const = 0;
  /// Boxes and labels without decoding the picture (its size may be read from its header).
  virtual SceneTruth truth(int64_t index) const = 0;
  /// The labels alone, (N) int64: for counts of classes.
  virtual Tensor labels(int64_t index) const { return truth(index).labels; }
  /// Where a picture comes from: a path, or "shapes/train[17]".
  virtual std::string name(int64_t index) const = 0;
  /// The numbers that COCO's result files want.
  virtual int64_t picture_id(int64_t index) const { return index + 1; }
  virtual int64_t category_id(int64_t label) const { return label + 1; }
  virtual const SceneAbout& about() const = 0;
  /// What lies in a part of a picture at its full size, cut at the part's edges and counted from its corner. `rows` (K)
  /// int64: which of the picture's objects; they stay, also where the part has nothing of them.
  virtual Scene part(int64_t index, const PixelBox& box, const Tensor& rows, bool masks) const;
};

/// How many objects of each class there are, crowds left out, (classes) int64.
Tensor class_counts(const SceneData& data);
/// Weights for losses: the more seldom a class the heavier, (mean count / count)^power, their mean over objects 1,
/// float32; 1 for a class that never comes, which only learns to stay away. Up to 10 times the lightest.
Tensor class_weights(const Tensor& counts, double power = 0.5);
/// How often each picture is to be drawn for balanced classes: by its most seldom class, max(1, sqrt(share / f)) with f
/// the share of pictures that hold the class (repeat factor sampling, Gupta et al. 2019, arXiv:1908.03195).
std::vector<double> balanced_weights(const SceneData& data, double share = 0.1);

}  // namespace hadal
