// COCO's JSON files, as they stand there: truth (pictures, categories, annotations) and results. Read in one pass
// without building the JSON in memory. https://cocodataset.org/#format-data
#pragma once
#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hadal/ops/rle.h"

namespace hadal {

struct CocoPicture {
  int64_t id = 0, width = 0, height = 0;  // a size that is not given is 0
  std::string file_name;
};

struct CocoCategory {
  int64_t id = 0;
  std::string name, supercategory;
  std::vector<std::string> keypoints;            // names
  std::vector<std::array<int64_t, 2>> skeleton;  // pairs of keypoints that a bone joins, counted from 1
};

/// One of three forms, or none.
struct CocoSegmentation {
  std::vector<std::vector<double>> polygons;  // x0 y0 x1 y1 ... in pixels
  int64_t height = 0, width = 0;              // of the runs' picture
  std::vector<uint32_t> counts;               // runs as numbers
  std::string compressed;                     // runs as a text

  bool empty() const { return polygons.empty() && counts.empty() && compressed.empty(); }
};

/// An entry of the truth's annotations or of results.
struct CocoAnnotation {
  int64_t id = -1;  // -1 when there is none
  int64_t image_id = 0, category_id = 0;
  std::optional<std::array<double, 4>> bbox;  // x, y, width, height in pixels
  std::optional<double> area;                 // in pixels
  bool iscrowd = false, ignore = false;
  double score = 0;  // of results
  CocoSegmentation segmentation;
  std::vector<double> keypoints;  // x, y, visibility (0 absent, 1 hidden, 2 visible; of results a score) each
  std::optional<int64_t> num_keypoints;
  std::string picture;     // of results: "file_name", or else an image_id that is a text, which others than COCO write
  bool has_number = true;  // image_id is a number
  size_t entry = 1, at = 0;  // which of its list, from 1, and the byte in the file where it begins; for messages
};

struct CocoTruth {
  std::string name;  // of the file, for messages
  std::vector<CocoPicture> pictures;
  std::vector<CocoCategory> categories;
  std::vector<CocoAnnotation> annotations;
};

/// Throws FileError with the file's name and the byte on anything that is not COCO's JSON: no list of images or
/// annotations, values of a wrong type, an id that two pictures or two categories share, boxes that are not four
/// numbers, keypoints that are not threes. Whether annotations fit pictures and categories is the caller's to look at.
CocoTruth read_coco_truth(const std::filesystem::path& path);
CocoTruth parse_coco_truth(std::string_view text, std::string_view name);

/// A list of results: image_id, category_id, score, and bbox, segmentation or keypoints; perhaps file_name, beside
/// which image_id may be a text. Throws FileError likewise, and on a result without image_id, category_id or score.
std::vector<CocoAnnotation> read_coco_results(const std::filesystem::path& path);
std::vector<CocoAnnotation> parse_coco_results(std::string_view text, std::string_view name);

/// The segmentation as a mask of a picture of this size; nothing when it has none. Throws Error that begins with `name`
/// on polygons of fewer than three corners and on runs that do not fit the picture.
std::optional<Rle> coco_mask(const CocoSegmentation& segmentation, int64_t height, int64_t width,
                             std::string_view name);

/// COCO's own numbers (1 to 90, with gaps) of its 80 classes, where the names are theirs in their order, also as
/// Darknet spells them; empty for other names.
std::vector<int64_t> coco_numbers(const std::vector<std::string>& classes);

}  // namespace hadal
