// From a picture to a network's input, the way image classifiers are trained: one config for every step, from random
// crops to normalising. What mixes pictures of a batch is in mix.h.
#pragma once
#include <array>
#include <string_view>

#include "hadal/core/config.h"
#include "hadal/core/random.h"
#include "hadal/core/torch.h"
#include "hadal/data/vision/transforms.h"

namespace hadal {

struct AugmentConfig {
  int64_t size = 0, resize = 0;
  std::string interpolation = "bilinear";
  bool squash = false;
  int64_t pad = 0;
  double crop_scale = 1, crop_ratio = 4.0 / 3;
  double hflip = 0, vflip = 0;
  double rotate = 0, translate = 0, scale = 0, shear = 0;
  double brightness = 0, contrast = 0, saturation = 0, hue = 0, grayscale = 0;
  int64_t randaugment_ops = 0, randaugment_magnitude = 9;
  double erasing = 0;
  std::vector<double> mean, std;
  double mixup = 0, cutmix = 0, mix_probability = 1;

  static Fields<AugmentConfig> fields();
  void validate() const;
};

/// What a picture is made into on its way to the float tensor: a part of `image` at (left, top), perhaps reaching
/// beyond it.
struct PlacedImage {
  Tensor image;
  int64_t left = 0, top = 0;
};

/// Pictures to normalised float (channels, size, size). Training: random crop, flips, affine, RandAugment, colour
/// jitter, grey, normalise, erasing, each where the config asks for it. Evaluation: resize the shorter side (bilinear
/// or bicubic, antialiased), centre crop, normalise; nothing is drawn from the stream. What lies beyond a picture is
/// black. May be called from several threads at once. Throws UsageError on a config without size or with a wrong one.
class ClassificationTransform {
 public:
  ClassificationTransform(const AugmentConfig& config, int64_t channels, bool train);
  int64_t size() const { return size_; }
  int64_t channels() const { return channels_; }

  /// image (H, W, 1 or 3) uint8 -> chw_out, channels x size x size floats.
  void operator()(const Tensor& image, Random&, float* chw_out) const;
  /// A file's bytes; no more is decoded than the crop needs, a JPEG in training at a reduced scale where that suffices.
  /// Throws FileError with `name`.
  void operator()(std::string_view encoded, std::string_view name, Random&, float* chw_out) const;

  /// Level to input value, for each channel.
  const std::array<std::array<float, 256>, 3>& tables() const { return tables_; }

 private:
  bool crops_at_random() const { return train_ && config_.crop_scale < 1; }
  ImageSize resized(ImageSize) const;
  PixelBox choose_place(ImageSize, Random&) const;
  PixelBox choose_resized_crop(ImageSize, Random&) const;
  PlacedImage place(const Tensor& image, Random&) const;
  PlacedImage place(std::string_view encoded, std::string_view name, Random&) const;
  Tensor decode_resized(std::string_view encoded, std::string_view name, const SourceBox& part,
                        const PixelBox& bounds) const;
  void finish(const PlacedImage&, Random&, float* chw_out) const;
  Tensor recolor(Tensor picture, Random&) const;

  AugmentConfig config_;
  int64_t channels_, size_, shorter_;
  Interpolation interpolation_;
  bool train_, warps_, recolors_;
  std::array<std::array<float, 256>, 3> tables_;
  std::array<float, 3> scale_, shift_;  // of interpolated levels
};

}  // namespace hadal
