// Operations on pictures, each with given parameters; what draws the parameters is a choose_* function beside it. A
// picture is a uint8 tensor (H, W, C), C = 1 or 3, on the CPU; results are new, contiguous tensors (or the picture
// itself where nothing changes). Formulas and parametrisations are torchvision's (torchvision.transforms.v2.functional
// on uint8 tensors). Coordinates are those of boxes: pixel (row r, column c) covers [c, c + 1) x [r, r + 1), so its
// centre lies at (c + 0.5, r + 0.5). All throw UsageError on another kind of tensor or a senseless parameter.
#pragma once
#include <array>
#include <optional>

#include "hadal/core/random.h"
#include "hadal/core/torch.h"
#include "hadal/data/vision/scene.h"
#include "hadal/io/image.h"

namespace hadal {

/// bilinear and bicubic (a = -0.5) average over what a smaller picture leaves out (antialias), as Pillow does; nearest
/// takes the pixel under the new pixel's centre (torchvision's NEAREST_EXACT).
enum class Interpolation { nearest, bilinear, bicubic };

struct ImageSize {
  int64_t height = 0, width = 0;
  bool operator==(const ImageSize&) const = default;
};
ImageSize size_of(const Tensor& image);

/// The size with the shorter side as given and the longer one in proportion, rounded down.
ImageSize shorter_side_size(ImageSize size, int64_t shorter);
/// Where a centre crop lies; beyond the picture where that is smaller.
PixelBox center_box(ImageSize size, int64_t height, int64_t width);

// ---- Geometry of pictures
Tensor resize(const Tensor& image, int64_t height, int64_t width, Interpolation = Interpolation::bilinear);
Tensor resize_shorter(const Tensor& image, int64_t shorter, Interpolation = Interpolation::bilinear);

/// A rectangle with real coordinates.
struct SourceBox {
  double left = 0, top = 0, width = 0, height = 0;
};
/// The part of the picture inside `box`, resized (bilinear or bicubic) to (height, width, C). Pixels outside `bounds`
/// are not looked at; `box` lies within `bounds`, `bounds` within the picture.
Tensor resample(const Tensor& image, const SourceBox& box, const PixelBox& bounds, int64_t height, int64_t width,
                Interpolation = Interpolation::bilinear);

/// Parts beyond the picture get `fill`.
Tensor crop(const Tensor& image, const PixelBox& box, uint8_t fill = 0);
Tensor center_crop(const Tensor& image, int64_t height, int64_t width);
Tensor resized_crop(const Tensor& image, const PixelBox& box, int64_t height, int64_t width,
                    Interpolation = Interpolation::bilinear);
Tensor pad(const Tensor& image, int64_t left, int64_t top, int64_t right, int64_t bottom, uint8_t fill = 0);
Tensor hflip(const Tensor& image);
Tensor vflip(const Tensor& image);

/// Turn (degrees, clockwise), shear (degrees), scale about the centre, then shift by whole or part pixels.
struct Affine {
  double angle = 0, translate_x = 0, translate_y = 0, scale = 1, shear_x = 0, shear_y = 0;
  std::optional<std::array<double, 2>> center = {};  // x, y; the picture's centre when not given
};
/// x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5].
using AffineMatrix = std::array<double, 6>;
/// From the picture to the result, and the way back (what warping needs).
AffineMatrix affine_matrix(const Affine&, ImageSize);
AffineMatrix inverse_affine_matrix(const Affine&, ImageSize);
/// Nearest or bilinear (without antialias); what comes from beyond the picture gets `fill`.
Tensor affine(const Tensor& image, const Affine&, Interpolation = Interpolation::nearest, uint8_t fill = 0);

// ---- Colours. A factor of 1 changes nothing; 0 is black, the mean grey, grey, blurred.
Tensor adjust_brightness(const Tensor& image, double factor);
Tensor adjust_contrast(const Tensor& image, double factor);
Tensor adjust_saturation(const Tensor& image, double factor);
Tensor adjust_sharpness(const Tensor& image, double factor);
/// Shift in turns of the colour wheel, -0.5 to 0.5.
Tensor adjust_hue(const Tensor& image, double shift);
/// One channel, or three equal ones.
Tensor grayscale(const Tensor& image, int64_t channels = 1);
/// Grey to RGB and back; the picture itself where it has that many channels.
Tensor to_channels(const Tensor& image, int64_t channels);
Tensor invert(const Tensor& image);
/// Keeps the highest `bits`, 0 to 8.
Tensor posterize(const Tensor& image, int64_t bits);
/// Inverts what is at least `threshold`.
Tensor solarize(const Tensor& image, double threshold);
Tensor autocontrast(const Tensor& image);
Tensor equalize(const Tensor& image);

// ---- Scenes: picture, boxes, masks and keypoints together. Every object stays, also one that has left the picture
// (its box then has no area); drop_hidden() takes those out. Where there are masks and the object changed its outline
// (crop, affine), its box is put tight around its mask; without masks a box becomes the box around its four corners.
// Keypoints that leave the picture become 0, 0, 0.
Scene resize(const Scene&, int64_t height, int64_t width, Interpolation = Interpolation::bilinear);
Scene resize_shorter(const Scene&, int64_t shorter, Interpolation = Interpolation::bilinear);
Scene crop(const Scene&, const PixelBox& box, uint8_t fill = 0);
Scene center_crop(const Scene&, int64_t height, int64_t width);
Scene resized_crop(const Scene&, const PixelBox& box, int64_t height, int64_t width,
                   Interpolation = Interpolation::bilinear);
Scene pad(const Scene&, int64_t left, int64_t top, int64_t right, int64_t bottom, uint8_t fill = 0);
/// `swap[k]` is the keypoint that takes k's place in the mirror (left eye and right eye); empty: none change.
Scene hflip(const Scene&, const std::vector<int64_t>& swap = {});
Scene vflip(const Scene&, const std::vector<int64_t>& swap = {});
Scene affine(const Scene&, const Affine&, Interpolation = Interpolation::bilinear, uint8_t fill = 0);
/// Without the objects whose box is narrower or lower than `min_side` pixels.
Scene drop_hidden(const Scene&, double min_side = 1);

// ---- Choices
/// A box with a share of the area from [scale_low, scale_high] and an aspect ratio from [ratio_low, ratio_high], evenly
/// on a log scale; the largest centred box of a fitting ratio after ten misses (RandomResizedCrop).
PixelBox choose_resized_crop(ImageSize, double scale_low, double scale_high, double ratio_low, double ratio_high,
                             Random&);
/// Ranges as in AugmentConfig: degrees, share of the side, 1 -+ scale, degrees. Shifts are whole pixels.
Affine choose_affine(ImageSize, double degrees, double translate, double scale, double shear, Random&);
/// What random erasing (Zhong et al. 2020, arXiv:1708.04896) covers, 2 to 33 % of the area; nothing after ten misses.
std::optional<PixelBox> choose_erasing(ImageSize, Random&);

}  // namespace hadal
