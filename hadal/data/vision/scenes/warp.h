// All geometry of an augmented picture in one pass: each part of the result is read once from the picture it comes
// from.
#pragma once
#include <array>

#include "hadal/data/vision/transforms.h"

namespace hadal {

/// Row by row: (x, y, 1) -> (x', y', w), to be divided by w. Of pixels' corners, as boxes are.
using Homography = std::array<double, 9>;

/// Pixels counted, as a number to compute with.
inline double real(int64_t pixels) { return static_cast<double>(pixels); }

constexpr Homography kStay = {1, 0, 0, 0, 1, 0, 0, 0, 1};
/// First `first`, then `then`.
Homography followed_by(const Homography& first, const Homography& then);
/// Throws UsageError where there is no way back.
Homography inverted(const Homography& h);
inline Homography scaling(double x, double y) { return {x, 0, 0, 0, y, 0, 0, 0, 1}; }
inline Homography shift(double x, double y) { return {1, 0, x, 0, 1, y, 0, 0, 1}; }
std::array<double, 2> moved(const Homography& h, double x, double y);

/// A rectangle with real coordinates, x1 y1 x2 y2.
using Window = std::array<double, 4>;
/// The rectangle around a moved one.
Window moved(const Homography& h, const Window& w);

/// Writes onto `out` (H, W, 3) what `window` of `picture` becomes by `forward`: bilinear, without antialias; other
/// pixels of `out` stay.
void warp_onto(Tensor& out, const Tensor& picture, const Window& window, const Homography& forward);
/// The same for a mask (h, w) uint8 onto zeros (H, W), nearest, looking at the pixels of `around` (of out) alone.
void warp_mask_onto(Tensor& out, const Tensor& mask, const Window& window, const Homography& forward,
                    const Window& around);

/// Shifts hue (turns of the wheel) and scales saturation and value of RGB, in place. Greys stay grey.
void shift_colors(Tensor& picture, double hue, double saturation, double value);

}  // namespace hadal
