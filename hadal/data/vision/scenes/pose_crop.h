// From a picture to the crop of one object that a model with heat maps sees, and back. Coordinates are those of pixels
// whose middles are whole numbers, as the labels of keypoints are made and as transformers and mmpose count them.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "hadal/data/vision/scenes/scene_data.h"
#include "hadal/data/vision/scenes/warp.h"
#include "hadal/models/pose/heatmap_model.h"

namespace hadal {

/// What of a picture is looked at for an object: the data's boxes, boxes around its points, or all of it.
enum class PoseBox { data, points, whole };
PoseBox pose_box_from(const std::string& name);

/// Around the points (K, 3) that are there, further by 15 % of their extent and by no less than 10 pixels: animals are
/// larger than their marks. Throws UsageError where none is there.
Window box_around_points(const Tensor& points);
/// Of object `index`. Where the data's box has no area, the one around its points.
Window pose_box(const SceneTruth& truth, int64_t index, PoseBox from);

/// A box's way into the input: its shorter side grows until it has the input's shape, then both grow by `padding`
/// (transformers' box_to_center_and_scale).
Homography into_input(const Window& box, const PosePreparation& preparation, double padding);
/// From the input to its heat maps.
Homography into_maps(const PosePreparation& preparation);

/// (height, width, 3) uint8: what of the picture (H, W, 3) lies in the input by `forward`; black beyond it.
Tensor pose_crop(const Tensor& picture, const Homography& forward, const PosePreparation& preparation);
/// Points (K, 3) or (N, K, 3) moved; their third number stays.
Tensor moved_points(const Tensor& points, const Homography& forward);
/// Pixels (N, 3, height, width) float32 of crops, normalised.
Tensor pose_pixels(const std::vector<Tensor>& crops, const PosePreparation& preparation);

}  // namespace hadal
