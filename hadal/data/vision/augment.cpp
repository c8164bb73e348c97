#include "hadal/data/vision/augment.h"

#include <algorithm>
#include <cmath>

#include "hadal/data/vision/augment_pixels.h"
#include "hadal/data/vision/randaugment.h"
#include "hadal/data/vision/transforms_check.h"

namespace hadal {

Fields<AugmentConfig> AugmentConfig::fields() {
  using C = AugmentConfig;
  return {
      {"size", &C::size, "side of the finished square picture; 0: decided by the task", at_least(0)},
      {"resize", &C::resize, "shorter side before the centre crop at evaluation; 0: size", at_least(0)},
      {"interpolation", &C::interpolation, "how pictures are resized", one_of({"bilinear", "bicubic"})},
      {"squash", &C::squash, "both sides become `resize`, whatever the picture's shape, and not only the shorter one"},
      {"pad", &C::pad, "black border in pixels around a picture before its random crop", at_least(0)},
      {"crop_scale", &C::crop_scale, "random resized crop: least share of the area; 1: off", between(0.01, 1)},
      {"crop_ratio", &C::crop_ratio, "random resized crop: aspect ratios up to this, and its inverse", at_least(1)},
      {"hflip", &C::hflip, "probability of mirroring left and right", between(0, 1)},
      {"vflip", &C::vflip, "probability of mirroring top and bottom", between(0, 1)},
      {"rotate", &C::rotate, "turn by up to this many degrees", between(0, 180)},
      {"translate", &C::translate, "shift by up to this share of the side", between(0, 1)},
      {"scale", &C::scale, "scale by 1 minus to 1 plus this", from_below(0, 1)},
      {"shear", &C::shear, "shear by up to this many degrees", from_below(0, 90)},
      {"brightness", &C::brightness, "factor from 1 minus to 1 plus this", at_least(0)},
      {"contrast", &C::contrast, "factor from 1 minus to 1 plus this", at_least(0)},
      {"saturation", &C::saturation, "factor from 1 minus to 1 plus this", at_least(0)},
      {"hue", &C::hue, "shift by up to this share of the colour wheel", between(0, 0.5)},
      {"grayscale", &C::grayscale, "probability of losing all colour", between(0, 1)},
      {"randaugment_ops", &C::randaugment_ops, "operations of RandAugment on each picture", between(0, 14)},
      {"randaugment_magnitude", &C::randaugment_magnitude, "strength of RandAugment", between(0, 30)},
      {"erasing", &C::erasing, "probability of erasing a rectangle", between(0, 1)},
      {"mean", &C::mean, "of each channel, levels from 0 to 1; empty: ImageNet's, 0.5 for grey", between(0, 1)},
      {"std", &C::std, "of each channel; empty: ImageNet's, 0.5 for grey", above(0)},
      {"mixup", &C::mixup, "alpha of mixup; 0: off", at_least(0)},
      {"cutmix", &C::cutmix, "alpha of cutmix; 0: off", at_least(0)},
      {"mix_probability", &C::mix_probability, "share of batches that mixup or cutmix changes", between(0, 1)}};
}

void AugmentConfig::validate() const {
  for (const auto* list : {&mean, &std})
    require(list->empty() || list->size() == 1 || list->size() == 3,
            "[augment] {} wants a value for each channel, 1 or 3, got {}", list == &mean ? "mean" : "std",
            list->size());
  require(size == 0 || resize == 0 || resize >= size,
          "[augment] resize ({}) must be at least size ({}), which is cropped from it", resize, size);
}

namespace {

/// The config's value of a channel, or the usual one.
double channel_value(const std::vector<double>& given, const char* what, int64_t channels, int64_t channel) {
  static constexpr double mean[] = {0.485, 0.456, 0.406}, std[] = {0.229, 0.224, 0.225};
  if (given.empty()) return channels == 1 ? 0.5 : what[0] == 'm' ? mean[channel] : std[channel];
  require(given.size() == 1 || std::ssize(given) == channels,
          "[augment] {} has {} values, but the pictures have {} channels", what, given.size(), channels);
  return given.size() == 1 ? given[0] : given[channel];
}

AffineMatrix then(const AffineMatrix& b, const AffineMatrix& a) {  // a first
  return {b[0] * a[0] + b[1] * a[3], b[0] * a[1] + b[1] * a[4], b[0] * a[2] + b[1] * a[5] + b[2],
          b[3] * a[0] + b[4] * a[3], b[3] * a[1] + b[4] * a[4], b[3] * a[2] + b[4] * a[5] + b[5]};
}

SourceBox real(const PixelBox& box) {
  return {static_cast<double>(box.left), static_cast<double>(box.top), static_cast<double>(box.width),
          static_cast<double>(box.height)};
}

bool within(const PixelBox& box, ImageSize size) {
  return box.left >= 0 && box.top >= 0 && box.left + box.width <= size.width && box.top + box.height <= size.height;
}

/// What `count` pixels from `start` on, of a side resized from `old` to `target`, are made from: the part itself, and
/// the whole pixels that the filter reaches.
struct SourceSpan {
  double start, length;
  int64_t first, last;
};
SourceSpan source_span(int64_t start, int64_t count, int64_t old, int64_t target, Interpolation kind) {
  const double scale = static_cast<double>(old) / static_cast<double>(target);
  const double reach = (kind == Interpolation::bicubic ? 2 : 1) * std::max(scale, 1.0);
  const double from = static_cast<double>(start) * scale, length = static_cast<double>(count) * scale;
  return {from, length, std::max(static_cast<int64_t>(std::floor(from - reach)), int64_t{0}),
          std::min(static_cast<int64_t>(std::ceil(from + length + reach)), old)};
}

double factor_around_one(double range, Random& random) { return random.uniform(std::max(0.0, 1 - range), 1 + range); }

}  // namespace

ClassificationTransform::ClassificationTransform(const AugmentConfig& config, int64_t channels, bool train)
    : config_(config), channels_(channels), size_(config.size), train_(train) {
  validate_config(config, "augment");
  require(channels == 1 || channels == 3, "[augment] channels are 1 or 3, got {}", channels);
  require(size_ > 0, "[augment] size is not set; the side of the finished picture, such as size=224");
  interpolation_ = config.interpolation == "bicubic" ? Interpolation::bicubic : Interpolation::bilinear;
  shorter_ = !train && config.resize > 0 ? config.resize : size_;
  warps_ = train && (config.rotate > 0 || config.translate > 0 || config.scale > 0 || config.shear > 0);
  recolors_ = train && (config.randaugment_ops > 0 || config.brightness > 0 || config.contrast > 0 ||
                        config.saturation > 0 || config.hue > 0 || config.grayscale > 0);
  for (int64_t c = 0; c < channels; ++c) {
    const double mean = channel_value(config.mean, "mean", channels, c);
    const double std = channel_value(config.std, "std", channels, c);
    for (int v = 0; v < 256; ++v) tables_[c][v] = static_cast<float>((v / 255.0 - mean) / std);
    scale_[c] = static_cast<float>(1 / (255 * std)), shift_[c] = static_cast<float>(-mean / std);
  }
}

PixelBox ClassificationTransform::choose_resized_crop(ImageSize size, Random& random) const {
  return hadal::choose_resized_crop(size, config_.crop_scale, 1, 1 / config_.crop_ratio, config_.crop_ratio, random);
}

/// What a picture becomes before its crop.
ImageSize ClassificationTransform::resized(ImageSize size) const {
  return config_.squash ? ImageSize{shorter_, shorter_} : shorter_side_size(size, shorter_);
}

PixelBox ClassificationTransform::choose_place(ImageSize size, Random& random) const {
  if (!train_ || config_.pad == 0) return center_box(size, size_, size_);
  const auto start = [&](int64_t length) {
    const auto room = length + 2 * config_.pad - size_;
    return random.below(room + 1) - config_.pad;
  };
  const auto top = start(size.height);
  return {start(size.width), top, size_, size_};
}

PlacedImage ClassificationTransform::place(const Tensor& image, Random& random) const {
  if (crops_at_random())
    return {resized_crop(image, choose_resized_crop(size_of(image), random), size_, size_, interpolation_)};
  const auto size = size_of(image), target = resized(size);
  const auto box = choose_place(target, random);
  if (target == size) return {image, box.left, box.top};
  if (!within(box, target))
    return {hadal::resize(image, target.height, target.width, interpolation_), box.left, box.top};
  const auto across = source_span(box.left, size_, size.width, target.width, interpolation_);
  const auto down = source_span(box.top, size_, size.height, target.height, interpolation_);
  return {resample(image, {across.start, down.start, across.length, down.length}, {0, 0, size.width, size.height},
                   size_, size_, interpolation_)};
}

PlacedImage ClassificationTransform::place(std::string_view encoded, std::string_view name, Random& random) const {
  const DecodeOptions options{.channels = channels_};
  const auto info = probe_image(encoded, name, options);
  const ImageSize size{info.height, info.width};
  if (crops_at_random()) {
    const auto box = choose_resized_crop(size, random);
    return {decode_resized(encoded, name, real(box), box)};
  }
  const auto target = resized(size);
  const auto box = choose_place(target, random);
  if (target == size || !within(box, target)) {
    const auto whole = decode_image(encoded, name, options);
    return {target == size ? whole : hadal::resize(whole, target.height, target.width, interpolation_), box.left,
            box.top};
  }
  const auto across = source_span(box.left, size_, size.width, target.width, interpolation_);
  const auto down = source_span(box.top, size_, size.height, target.height, interpolation_);
  return {decode_resized(encoded, name, {across.start, down.start, across.length, down.length},
                         {across.first, down.first, across.last - across.first, down.last - down.first})};
}

/// In training a JPEG is decoded at a reduced scale where the part keeps `size` pixels a side.
Tensor ClassificationTransform::decode_resized(std::string_view encoded, std::string_view name, const SourceBox& part,
                                               const PixelBox& bounds) const {
  const auto needed = [&](int64_t whole, double side) {
    return train_ ? static_cast<int64_t>(std::ceil(static_cast<double>(whole * size_) / side)) : 0;
  };
  const auto region = decode_region(encoded, name, bounds, needed(bounds.width, part.width),
                                    needed(bounds.height, part.height), {.channels = channels_});
  const double x = region.width / static_cast<double>(bounds.width);
  const double y = region.height / static_cast<double>(bounds.height);
  const auto left = static_cast<int64_t>(std::floor(region.left)), top = static_cast<int64_t>(std::floor(region.top));
  const auto right = std::min(static_cast<int64_t>(std::ceil(region.left + region.width)), region.image.size(1));
  const auto bottom = std::min(static_cast<int64_t>(std::ceil(region.top + region.height)), region.image.size(0));
  const SourceBox moved{region.left + (part.left - static_cast<double>(bounds.left)) * x,
                        region.top + (part.top - static_cast<double>(bounds.top)) * y, part.width * x, part.height * y};
  return resample(region.image, moved, {left, top, right - left, bottom - top}, size_, size_, interpolation_);
}

Tensor ClassificationTransform::recolor(Tensor picture, Random& random) const {
  picture = randaugment(picture, config_.randaugment_ops, config_.randaugment_magnitude, random);
  std::vector<int> order = {0, 1, 2, 3};
  random.shuffle(order);
  for (const auto step : order) {
    if (step == 0 && config_.brightness > 0)
      picture = adjust_brightness(picture, factor_around_one(config_.brightness, random));
    if (step == 1 && config_.contrast > 0)
      picture = adjust_contrast(picture, factor_around_one(config_.contrast, random));
    if (step == 2 && config_.saturation > 0)
      picture = adjust_saturation(picture, factor_around_one(config_.saturation, random));
    if (step == 3 && config_.hue > 0) picture = adjust_hue(picture, random.uniform(-config_.hue, config_.hue));
  }
  if (config_.grayscale > 0 && random.chance(config_.grayscale)) picture = hadal::grayscale(picture, channels_);
  return picture;
}

void ClassificationTransform::finish(const PlacedImage& placed, Random& random, float* out) const {
  const bool mirror_x = train_ && config_.hflip > 0 && random.chance(config_.hflip);
  const bool mirror_y = train_ && config_.vflip > 0 && random.chance(config_.vflip);
  const ImageSize square{size_, size_};
  Affine chosen;
  if (warps_) chosen = choose_affine(square, config_.rotate, config_.translate, config_.scale, config_.shear, random);
  if (recolors_) {
    auto picture = crop(placed.image, {placed.left, placed.top, size_, size_});
    if (mirror_x) picture = hadal::hflip(picture);
    if (mirror_y) picture = hadal::vflip(picture);
    if (warps_) picture = affine(picture, chosen, Interpolation::bilinear);
    write_planes(view_of(recolor(std::move(picture), random)), 0, 0, false, false, tables_, size_, out);
  } else if (warps_) {
    const auto side = static_cast<double>(size_), left = static_cast<double>(placed.left),
               top = static_cast<double>(placed.top);
    const AffineMatrix unplace = {
        mirror_x ? -1.0 : 1.0, 0, mirror_x ? side + left : left, 0, mirror_y ? -1.0 : 1.0, mirror_y ? side + top : top};
    warp_planes(view_of(placed.image), then(unplace, inverse_affine_matrix(chosen, square)), scale_, shift_, size_,
                out);
  } else {
    write_planes(view_of(placed.image), placed.left, placed.top, mirror_x, mirror_y, tables_, size_, out);
  }
  if (!train_ || config_.erasing == 0 || !random.chance(config_.erasing)) return;
  if (const auto box = choose_erasing(square, random))
    for (int64_t c = 0; c < channels_; ++c)
      for (int64_t y = box->top; y < box->top + box->height; ++y)
        std::fill_n(out + (c * size_ + y) * size_ + box->left, box->width, 0.0f);
}

void ClassificationTransform::operator()(const Tensor& image, Random& random, float* out) const {
  const auto picture = to_channels(image, channels_);
  finish(place(picture, random), random, out);
}

void ClassificationTransform::operator()(std::string_view encoded, std::string_view name, Random& random,
                                         float* out) const {
  finish(place(encoded, name, random), random, out);
}

}  // namespace hadal
