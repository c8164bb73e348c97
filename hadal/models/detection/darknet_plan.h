// What a Darknet .cfg makes: its layers with every size worked out, before any memory is taken for them.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "hadal/io/darknet_cfg.h"
#include "hadal/ops/boxes.h"

namespace hadal {

/// One [yolo] (v3: Redmon & Farhadi 2018, arXiv:1804.02767; v4: Bochkovskiy et al. 2020, arXiv:2004.10934) or
/// [region] (v2: arXiv:1612.08242) layer.
struct DarknetHead {
  bool region = false;
  int64_t classes = 80;
  std::vector<std::array<double, 2>> anchors;  // width, height: pixels; a [region]'s are cells
  std::vector<int64_t> mask;                   // the anchors that this head predicts with

  // [yolo]
  double scale_xy = 1;      // how far a centre reaches beyond its cell
  bool new_coords = false;  // sides are (2 t)^2 of the anchor, and the convolution before has put t through a sigmoid
  double ignore = 0.5;      // predictions that overlap an object more are no background
  double also = 1;          // anchors whose shape overlaps an object's more learn it too, not the best one alone
  bool squared = true;      // box loss: squared errors, or 1 - overlap
  Overlap overlap = Overlap::iou;
  double box_weight = 0.75, object_weight = 1, class_weight = 1;

  // [region]
  double coord_scale = 1, object_scale = 1, noobject_scale = 1, class_scale = 1, threshold = 0.5;
  bool rescore = false;  // the objectness of an object is its box's overlap, not 1
  bool softmax = false;  // over the classes, which are otherwise each for itself

  int64_t values() const { return 5 + classes; }  // of an anchor: x, y, w, h, objectness, classes
};

struct DarknetLayer {
  enum class Kind {
    convolutional,
    shortcut,
    route,
    maxpool,
    avgpool,
    upsample,
    reorg,    // v2's: Darknet reads memory in the output's shape, not the input's
    reorg3d,  // 2x2 pixels to channels
    dropout,
    scale_channels,
    sam,
    head
  };
  enum class Activation { linear, leaky, relu, relu6, mish, swish, logistic };
  Kind kind{};
  int64_t line = 0;
  int64_t in = 0;                               // channels that come in
  int64_t channels = 0, height = 0, width = 0;  // of what comes out
  int64_t size = 1, stride_y = 1, stride_x = 1, padding = 0, dilation = 1, groups = 1;
  bool norm = false;
  Activation activation = Activation::linear;
  std::vector<int64_t> from;  // layers that come in besides, or (route) instead of, the one before
  int64_t group = 0;          // route: which of `groups` parts of each
  double value = 0;           // dropout: share; upsample: factor
  DarknetHead head;

  int64_t floats() const;  // a convolution's in a .weights file
};

struct DarknetPlan {
  std::string name;  // the .cfg's, for messages
  int64_t channels = 3, height = 0, width = 0;
  bool letterbox = false;
  std::vector<DarknetLayer> layers;
  std::vector<int64_t> heads;  // which layers are

  int64_t floats() const;   // of its .weights file
  double stride() const;    // pixels a cell of the coarsest head
  int64_t classes() const;  // the heads'
};

/// Throws FileError, with the section's line, for a layer that is not known here, one that takes what comes after it,
/// sizes that do not fit or are absurd, heads of several class counts, and a network without a head.
DarknetPlan plan_darknet(const std::vector<CfgSection>& sections);

/// The .cfg for another number of classes: [yolo] and [region] layers and the convolutions before them.
std::vector<CfgSection> with_classes(std::vector<CfgSection> sections, int64_t classes);

}  // namespace hadal
