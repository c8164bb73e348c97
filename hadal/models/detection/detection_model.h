// What finds things in pictures: boxes, and where the model has them masks and keypoints. One interface for YOLO of any
// kind, R-CNNs and detection by attention; the catalog of all of them.
//
// Coordinates are pixels of the prepared picture (the network's input), x1 y1 x2 y2, pixel (row r, column c) covering
// [c, c + 1) x [r, r + 1). Whoever prepared the picture brings them back to the picture as it lies on disk.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "hadal/core/catalog.h"
#include "hadal/models/model.h"

namespace hadal {

/// The truth of a batch, one object below the other. Members that the data lacks stay undefined.
struct Targets {
  Tensor boxes;      // (T, 4) float32
  Tensor labels;     // (T) int64
  Tensor owner;      // (T) int64, rising: the picture of the batch it stands in
  Tensor masks;      // (T, h, w) uint8, 0 or 1, of the prepared picture's size
  Tensor keypoints;  // (T, K, 3) float32: x, y, visibility (0 absent, 1 hidden, 2 visible)
  // Not of a batch but of the run: (classes) float32, how much a class counts in the loss that tells classes apart.
  // Undefined: all alike.
  Tensor class_weights = {};
};

/// The class weights in the type and on the device of `like`; undefined where there are none. `background`: with a 1
/// before them, for networks whose class 0 is none.
Tensor class_weights_like(const Targets& targets, const Tensor& like, bool background = false);

struct FindOptions {
  double conf = 0.25;  // least score
  double iou = 0.7;    // boxes of one class that overlap more are one; what has no NMS does not look at it
  int64_t most = 300;  // a picture
  // A box of ultralytics' models is found as each class that scores more than conf, as their validation has it;
  // otherwise as its best. Other families have one way of their own.
  bool multi_label = false;
};

/// What was found in one picture, best first.
struct Found {
  Tensor boxes;      // (N, 4) float32, within the picture
  Tensor labels;     // (N) int64
  Tensor scores;     // (N) float32
  Tensor masks;      // (N, m, n) float32; undefined: the model has none
  Tensor keypoints;  // (N, K, 3) float32: x, y, score 0 to 1; undefined: the model has none
  /// Logits of the whole input, of which the box counts; or what spans the box, 0 to 1, its outline at 0.5, and is
  /// pasted as torchvision does, up to a pixel beyond the box, or as ultralytics does, just the pixels that begin
  /// within it.
  enum class Masks { of_input, of_box, within_box };
  Masks masks_are = Masks::of_input;
};

/// How a picture becomes the network's input.
struct Preparation {
  enum class Fit {
    letterbox,    // the longer side becomes `size`, the rest is filled up to whole strides
    squash,       // both sides become `size`
    shorter_side  // the shorter side becomes `size`, the longer one at most `longest`; filled up to whole strides
  };
  /// Bilinear: as OpenCV works on bytes, which is what YOLOs are trained and scored on (its sums are cut, so up to a
  /// level darker than rounded); rounded (torchvision's models); with corners on corners (Darknet); or averaging over
  /// what a smaller picture leaves out (Pillow).
  enum class Sampling { opencv, rounded, corners, antialias };
  Fit fit = Fit::letterbox;
  Sampling sampling = Sampling::opencv;
  int64_t size = 640, longest = 0, stride = 32;
  int64_t fill = 114;             // 0 to 255, around the picture
  bool corner = false;            // letterbox: the picture lies in the upper left corner, not in the middle
  bool bgr = false;               // channels the other way round
  double scale = 1.0 / 255;       // of bytes, before mean and std
  std::vector<double> mean, std;  // a channel each; empty: 0 and 1
};

struct DetectionModel : Model {
  /// pixels (B, 3, H, W) prepared, sizes (B, 2) int64: height and width of each picture within its batch ->
  /// named losses, each a scalar; their sum is differentiated. Assignment is the family's own.
  virtual TensorsByName losses(const Tensor& pixels, const Tensor& sizes, const Targets& targets) = 0;
  /// A Found for each picture. In eval mode, without gradients.
  virtual std::vector<Found> find(const Tensor& pixels, const Tensor& sizes, const FindOptions& options) = 0;
  /// What its published weights want; a recipe may have another size.
  virtual Preparation preparation() const = 0;
  /// How much boxes may overlap, and how many a picture may have, in the family's own programs.
  virtual FindOptions usual() const { return {}; }
  /// Keypoints of an object; 0: none.
  virtual int64_t keypoints() const { return 0; }
  virtual bool has_masks() const { return false; }
  /// How far the run is, 0 to 1, before each training step: losses may change their balance.
  virtual void progress(double /*share*/) {}
};

/// Their configs share the names `classes` and, where they have them, `keypoints`: the task sets these from the data.
using DetectionCatalog = Catalog<std::shared_ptr<DetectionModel>>;

/// Every detection model Hadal has.
const DetectionCatalog& detectors();

}  // namespace hadal
