// COCO's run-length masks, bit for bit as pycocotools makes them: runs go down the columns, the first one is
// background. Where a function takes a `name`, that is what its errors begin with: a file and the place in it.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

/// Runs of background and mask in turn, whose sum is height * width.
struct Rle {
  int64_t height = 0, width = 0;
  std::vector<uint32_t> counts;

  bool operator==(const Rle&) const = default;
};

/// Throws Error unless the sides are at least 1 and the picture has fewer than 2^31 pixels.
void check_rle_size(int64_t height, int64_t width, std::string_view name = "rle");
/// Runs from outside. Throws Error where they are longer or shorter than the picture.
Rle rle_from_counts(std::vector<uint32_t> counts, int64_t height, int64_t width, std::string_view name = "rle");

/// (H, W) of any type on any device; what is not 0 is mask.
Rle rle_encode(const Tensor& mask);
/// (N, H, W), or (N, 1, H, W) as Mask R-CNN gives them, in parallel.
std::vector<Rle> rle_encode_all(const Tensor& masks);
/// (H, W) uint8, 0 or 1.
Tensor rle_decode(const Rle& rle);

/// Pixels in any of them, or in all of them. Throws Error on an empty list and on masks of several sizes.
Rle rle_merge(std::span<const Rle> masks, bool intersect = false);
int64_t rle_area(const Rle& rle);
/// x, y, width, height in pixels; zeros for an empty mask.
std::array<double, 4> rle_box(const Rle& rle);
/// Intersection over union, or over `found` alone where `truth` is a crowd. Throws Error on masks of two sizes whose
/// boxes overlap.
double rle_iou(const Rle& found, const Rle& truth, bool crowd = false);

/// x0 y0 x1 y1 ... in pixels, at least three corners: rasterised as pycocotools' rleFrPoly, from a grid five times as
/// fine. What lies outside the picture is cut off. Throws Error on fewer corners, an odd count, and coordinates that
/// are not finite or beyond 10^8.
Rle rle_from_polygon(std::span<const double> corners, int64_t height, int64_t width, std::string_view name = "rle");
/// Their union: an object in several pieces.
Rle rle_from_polygons(const std::vector<std::vector<double>>& polygons, int64_t height, int64_t width,
                      std::string_view name = "rle");
/// x, y, width, height in pixels.
Rle rle_from_box(const std::array<double, 4>& box, int64_t height, int64_t width, std::string_view name = "rle");
/// The outer contours along the edges of the pixels, one polygon for each piece that hangs together by sides; holes are
/// filled. rle_from_polygons() gives the same mask again, but for its holes.
std::vector<std::vector<double>> rle_to_polygons(const Rle& rle);

/// The form of COCO's JSON: six bits a letter, from the third run on the difference to the run but one before.
std::string rle_to_string(const Rle& rle);
/// Throws Error on letters that are none of the form, a text that ends in a number, runs longer or shorter than the
/// picture.
Rle rle_from_string(std::string_view text, int64_t height, int64_t width, std::string_view name = "rle");

}  // namespace hadal
