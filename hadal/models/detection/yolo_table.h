// The YOLO families as data: a table of layers each, and how wide and deep each size of it is.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace hadal::yolo {

/// A layer. Widths and repeats are those of a network of scale 1.
struct Row {
  std::vector<int64_t> from;  // -1: the layer before
  int64_t repeats;
  std::string block;
  std::vector<double> args;  // of convolutions and blocks: width, then what is the block's own
};

struct Scale {
  std::string size;
  double depth, width;
  int64_t most_channels;  // of a network of scale 1, before it is made narrower
};

struct Family {
  std::string name;  // "v5", "v8", "11", "26"
  std::vector<Row> rows;
  std::vector<int64_t> levels;  // the layers that the head looks at, of stride 8, 16 and 32
  std::vector<Scale> scales;
  bool anchors = false;     // boxes are told relative to anchor boxes, 2020's way
  int64_t bins = 16;        // of the distribution of each side's distance; 1: the distance itself
  bool light_head = false;  // its class branch convolves depthwise
  bool end_to_end = false;  // a one-to-one head beside the one-to-many one: no NMS

  bool has_scale(std::string_view size) const;
  const Scale& scale(std::string_view size) const;
};

const std::vector<Family>& families();
/// Throws UsageError with the known ones.
const Family& family(const std::string& name);

/// As layers' widths and repeats are scaled.
int64_t scaled_width(double width, const Scale& scale);
int64_t scaled_depth(int64_t repeats, const Scale& scale);

}  // namespace hadal::yolo
