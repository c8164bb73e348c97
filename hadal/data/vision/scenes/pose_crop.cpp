#include "hadal/data/vision/scenes/pose_crop.h"

#include <algorithm>
#include <cmath>

#include "hadal/core/error.h"
#include "hadal/data/vision/scenes/keypoints.h"
#include "hadal/data/vision/scenes/placement.h"

namespace hadal {
namespace {

/// What is lost of a side where the middles of the outer pixels lie on each other.
double lost(const PosePreparation& preparation) { return preparation.unbiased ? 1 : 0; }

}  // namespace

PoseBox pose_box_from(const std::string& name) {
  if (name == "data") return PoseBox::data;
  if (name == "points") return PoseBox::points;
  if (name == "whole") return PoseBox::whole;
  fail_usage("box is data, points or whole, not \"{}\"", name);
}

Window box_around_points(const Tensor& points) {
  const auto given = points.to(torch::kFloat32).contiguous();
  const auto box = box_of_keypoints({given.const_data_ptr<float>(), static_cast<size_t>(given.numel())});
  require(box.has_value(), "[pose] an object without a point that is there has no box around its points");
  return *box;
}

Window pose_box(const SceneTruth& truth, int64_t index, PoseBox from) {
  if (from == PoseBox::whole) return {0, 0, static_cast<double>(truth.width), static_cast<double>(truth.height)};
  if (from == PoseBox::data && truth.boxes.defined()) {
    const auto box = truth.boxes[index].contiguous();
    const auto* b = box.const_data_ptr<float>();
    if (b[2] > b[0] && b[3] > b[1]) return {b[0], b[1], b[2], b[3]};
  }
  return box_around_points(truth.keypoints[index]);
}

Homography into_input(const Window& box, const PosePreparation& preparation, double padding) {
  auto width = box[2] - box[0], height = box[3] - box[1];
  require(std::isfinite(width) && std::isfinite(height) && width > 0 && height > 0,
          "[pose] the box [{} {} {} {}] has no area", box[0], box[1], box[2], box[3]);
  const auto w = static_cast<double>(preparation.width), h = static_cast<double>(preparation.height);
  const auto x = box[0] + width / 2, y = box[1] + height / 2, aspect = w / h;
  if (width > aspect * height)
    height = width / aspect;
  else
    width = height * aspect;
  width *= padding, height *= padding;
  return followed_by(shift(width / 2 - x, height / 2 - y),
                     scaling((w - lost(preparation)) / width, (h - lost(preparation)) / height));
}

Homography into_maps(const PosePreparation& p) {
  const auto along = [&](int64_t map, int64_t input) {
    return (static_cast<double>(map) - lost(p)) / (static_cast<double>(input) - lost(p));
  };
  return scaling(along(p.map_width, p.width), along(p.map_height, p.height));
}

Tensor pose_crop(const Tensor& picture, const Homography& forward, const PosePreparation& preparation) {
  auto out = torch::zeros({preparation.height, preparation.width, 3}, torch::kUInt8);
  // Warps count from the corners of pixels.
  const auto by_corners = followed_by(followed_by(shift(-0.5, -0.5), forward), shift(0.5, 0.5));
  const Window all = {0, 0, static_cast<double>(picture.size(1)), static_cast<double>(picture.size(0))};
  warp_onto(out, picture.contiguous(), all, by_corners);
  return out;
}

Tensor moved_points(const Tensor& points, const Homography& forward) {
  auto out = points.to(torch::kFloat32).contiguous().clone();
  auto* p = out.data_ptr<float>();
  for (int64_t n = 0; n < out.numel() / 3; ++n, p += 3) {
    const auto at = moved(forward, p[0], p[1]);
    p[0] = static_cast<float>(at[0]), p[1] = static_cast<float>(at[1]);
  }
  return out;
}

Tensor pose_pixels(const std::vector<Tensor>& crops, const PosePreparation& preparation) {
  return stacked(crops, {.fit = Preparation::Fit::squash, .mean = preparation.mean, .std = preparation.std});
}

}  // namespace hadal
