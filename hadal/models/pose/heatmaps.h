// Between heat maps and keypoints: what a model is to learn, and where a keypoint lies in what it gives. Coordinates
// are those of a map's pixels, whose middles are whole numbers.
#pragma once
#include <string>
#include <vector>

#include "hadal/models/pose/heatmap_model.h"

namespace hadal {

/// A Gaussian of height 1 about each point, 0 beyond 3 sigma: points (N, K, 3) float32 x, y, weight -> (N, K, height,
/// width) float32. Points of weight 0 have an empty map.
Tensor gaussian_maps(const Tensor& points, int64_t height, int64_t width, double sigma);

/// Joint mean squared error, as mmpose's KeypointMSELoss with target weights: maps (N, K, h, w) each, weights (N, K);
/// the mean of weight x (found - wanted)^2 over all pixels.
Tensor heatmap_loss(const Tensor& found, const Tensor& wanted, const Tensor& weights);

/// Maps (N, K, h, w) of mirrored pictures as those of the pictures: mirrored back, each in its twin's place (`swap`,
/// empty: none has one). `unbiased`: see PosePreparation; otherwise they move a pixel to the right.
Tensor mirrored_back(const Tensor& maps, const std::vector<int64_t>& swap, bool unbiased);

/// Where each map (N, K, h, w) is highest -> (N, K, 3) float32 x, y, height. Behind the pixel:
/// - quarter: a quarter of a pixel towards the higher neighbour on each axis (SimpleBaseline's, mmpose's),
/// - dark: the top of a parabola through the smoothed map's logarithm (Zhang et al. 2020, arXiv:1910.06278), number for
///   number as transformers' VitPoseImageProcessor has it.
/// A map that is nowhere above 0 gives its highest pixel with a score of 0.
Tensor decoded(const Tensor& maps, HeatmapDecoding how);

/// plain, quarter, dark.
HeatmapDecoding heatmap_decoding(const std::string& name);

}  // namespace hadal
