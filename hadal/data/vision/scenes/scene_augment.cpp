#include "hadal/data/vision/scenes/scene_augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hadal {
namespace {

Window whole(const Scene& scene) { return {0, 0, real(scene.image.size(1)), real(scene.image.size(0))}; }

/// Onto the frame: stretched, or with its shape kept in the middle.
Homography fitted(const Scene& scene, const SceneFrame& frame) {
  const auto x = real(frame.width) / real(scene.image.size(1)), y = real(frame.height) / real(scene.image.size(0));
  if (frame.squash) return scaling(x, y);
  const auto s = std::min(x, y);
  return followed_by(scaling(s, s), shift((real(frame.width) - s * real(scene.image.size(1))) / 2,
                                          (real(frame.height) - s * real(scene.image.size(0))) / 2));
}

/// A part of the picture with a share of 0.3 to 1 of each side that holds the middle of an object; all of it after ten
/// misses.
Window choose_crop(const Scene& scene, Random& random) {
  const auto all = whole(scene);
  for (int tries = 0; tries < 10; ++tries) {
    const auto w = all[2] * random.uniform(0.3, 1), h = all[3] * random.uniform(0.3, 1);
    if (w / h < 0.5 || w / h > 2) continue;
    const auto left = random.uniform(0, all[2] - w), top = random.uniform(0, all[3] - h);
    if (!scene.boxes.defined() || scene.boxes.size(0) == 0) return {left, top, left + w, top + h};
    const auto* b = scene.boxes.const_data_ptr<float>();
    for (int64_t i = 0; i < scene.boxes.size(0); ++i, b += 4) {
      const auto x = (b[0] + b[2]) / 2.0, y = (b[1] + b[3]) / 2.0;
      if (x > left && x < left + w && y > top && y < top + h) return {left, top, left + w, top + h};
    }
  }
  return all;
}

/// A single picture: cut or moved away, then fitted.
PlacedScene single(const SceneAugmentConfig& config, const SceneFrame& frame, Scene scene, Random& random) {
  PlacedScene out{scene, whole(scene), fitted(scene, frame)};
  if (config.crop > 0 && random.chance(config.crop)) {
    out.window = choose_crop(scene, random);
    const auto w = out.window[2] - out.window[0], h = out.window[3] - out.window[1];
    const auto x = real(frame.width) / w, y = real(frame.height) / h, s = std::min(x, y);
    const auto sx = frame.squash ? x : s, sy = frame.squash ? y : s;
    out.forward = followed_by(followed_by(shift(-out.window[0], -out.window[1]), scaling(sx, sy)),
                              shift((real(frame.width) - sx * w) / 2, (real(frame.height) - sy * h) / 2));
  }
  if (config.zoom_out > 0 && random.chance(config.zoom_out)) {
    const auto s = 1 / random.uniform(1, 4);
    out.forward =
        followed_by(followed_by(out.forward, scaling(s, s)),
                    shift(random.uniform(0, 1 - s) * real(frame.width), random.uniform(0, 1 - s) * real(frame.height)));
  }
  return out;
}

Scene load(const SceneData& data, int64_t index, const SceneFrame& frame, bool masks) {
  auto scene = data.get(index, {masks, std::max(frame.height, frame.width)});
  if (!scene.crowd.defined() || !scene.crowd.any().item<bool>()) return scene;
  const auto kept = scene.crowd.logical_not().nonzero().squeeze(1);
  for (auto* part : {&scene.boxes, &scene.labels, &scene.masks, &scene.keypoints, &scene.crowd, &scene.area})
    if (part->defined()) *part = part->index_select(0, kept);
  return scene;
}

Scene warped(const SceneAugmentConfig& config, const SceneFrame& frame, const SceneData& data, int64_t index,
             bool mosaic, Random& random) {
  std::vector<PlacedScene> parts;
  ImageSize canvas{frame.height, frame.width};
  if (mosaic) {
    std::vector<Scene> scenes;
    for (int i = 0; i < 4; ++i)
      scenes.push_back(load(data, i == 0 ? index : random.below(data.size()), frame, frame.masks));
    random.shuffle(scenes);
    parts = mosaic_places(std::move(scenes), frame, random);
    canvas = {2 * frame.height, 2 * frame.width};
  } else {
    parts.push_back(single(config, frame, load(data, index, frame, frame.masks), random));
  }
  auto warp = choose_warp(config, canvas, frame, random);
  const bool across = config.hflip > 0 && random.chance(config.hflip);
  const bool down = config.vflip > 0 && random.chance(config.vflip);
  if (across) warp = followed_by(warp, {-1, 0, real(frame.width), 0, 1, 0, 0, 0, 1});
  if (down) warp = followed_by(warp, {1, 0, 0, 0, -1, real(frame.height), 0, 0, 1});
  for (auto& part : parts) part.forward = followed_by(part.forward, warp);
  // Flipped both ways is turned: every side keeps its place.
  return composed(parts, frame, data.about(), across != down, config.least_visible);
}

}  // namespace

Fields<SceneAugmentConfig> SceneAugmentConfig::fields() {
  using C = SceneAugmentConfig;
  return {
      {"mosaic", &C::mosaic, "how often four pictures become one", between(0, 1)},
      {"close_mosaic", &C::close_mosaic, "last share of the run without mosaic and mixup", between(0, 1)},
      {"mixup", &C::mixup, "how often two pictures are laid over each other", between(0, 1)},
      {"copy_paste", &C::copy_paste, "share of objects to paste once more, mirrored (wants masks)", between(0, 1)},
      {"degrees", &C::degrees, "turn by up to so many degrees either way", between(0, 180)},
      {"translate", &C::translate, "shift by up to this share of the side either way", between(0, 1)},
      {"scale", &C::scale, "size from 1 - scale to 1 + scale", from_below(0, 1)},
      {"shear", &C::shear, "shear by up to so many degrees either way", from_below(0, 90)},
      {"perspective", &C::perspective, "tilt; 0.001 is much", between(0, 0.001)},
      {"crop", &C::crop, "how often a part of the picture is taken, where it is no mosaic", between(0, 1)},
      {"zoom_out", &C::zoom_out, "how often the picture shrinks to a part of its frame, where it is no mosaic",
       between(0, 1)},
      {"hsv_h", &C::hsv_h, "turn the colour wheel by up to this share either way", between(0, 0.5)},
      {"hsv_s", &C::hsv_s, "saturation from 1 - hsv_s to 1 + hsv_s", between(0, 1)},
      {"hsv_v", &C::hsv_v, "brightness from 1 - hsv_v to 1 + hsv_v", between(0, 1)},
      {"hflip", &C::hflip, "how often left and right change", between(0, 1)},
      {"vflip", &C::vflip, "how often top and bottom change", between(0, 1)},
      {"least_visible", &C::least_visible, "share of its box that an object must keep", between(0, 1)},
      {"multi_scale", &C::multi_scale, "size of a batch from 1 - multi_scale to 1 + multi_scale", from_below(0, 1)}};
}

void SceneAugmentConfig::validate() const {
  require(std::isfinite(mosaic + mixup + copy_paste + degrees + translate + scale + shear + perspective),
          "[augment] all settings must be finite");
}

std::vector<PlacedScene> mosaic_places(std::vector<Scene> scenes, const SceneFrame& frame, Random& random) {
  require(scenes.size() == 4, "[mosaic] wants four scenes, got {}", scenes.size());
  const auto width = real(frame.width), height = real(frame.height);
  const auto cx = std::floor(random.uniform(width / 2, 1.5 * width));
  const auto cy = std::floor(random.uniform(height / 2, 1.5 * height));
  std::vector<PlacedScene> out;
  for (size_t i = 0; i < 4; ++i) {
    const bool right = i % 2, below = i / 2;
    const auto w = real(scenes[i].image.size(1)), h = real(scenes[i].image.size(0));
    const auto x = width / w, y = height / h, s = std::min(x, y);
    const auto sx = frame.squash ? x : s, sy = frame.squash ? y : s;
    // A corner of each lies on the centre; what goes beyond the canvas is cut.
    const auto left = right ? cx : cx - sx * w, top = below ? cy : cy - sy * h;
    const Window seen = {std::max(0.0, -left / sx), std::max(0.0, -top / sy), std::min(w, (2 * width - left) / sx),
                         std::min(h, (2 * height - top) / sy)};
    out.push_back({std::move(scenes[i]), seen, followed_by(scaling(sx, sy), shift(left, top))});
  }
  return out;
}

Homography choose_warp(const SceneAugmentConfig& config, ImageSize canvas, const SceneFrame& frame, Random& random) {
  const auto both = [&](double most) { return most > 0 ? random.uniform(-most, most) : 0; };
  auto out = shift(-real(canvas.width) / 2, -real(canvas.height) / 2);
  if (config.perspective > 0)
    out = followed_by(out, {1, 0, 0, 0, 1, 0, both(config.perspective), both(config.perspective), 1});
  const auto angle = both(config.degrees) * std::numbers::pi / 180, size = 1 + both(config.scale);
  const auto c = size * std::cos(angle), s = size * std::sin(angle);
  out = followed_by(out, {c, s, 0, -s, c, 0, 0, 0, 1});
  if (config.shear > 0) {
    const auto x = std::tan(both(config.shear) * std::numbers::pi / 180);
    const auto y = std::tan(both(config.shear) * std::numbers::pi / 180);
    out = followed_by(out, {1, x, 0, y, 1, 0, 0, 0, 1});
  }
  const auto x = 0.5 + both(config.translate), y = 0.5 + both(config.translate);
  return followed_by(out, shift(x * real(frame.width), y * real(frame.height)));
}

Scene augmented(const SceneAugmentConfig& config, const SceneFrame& frame, const SceneData& data, int64_t index,
                double progress, Random& random) {
  auto wanted = frame;
  wanted.masks = (frame.masks || config.copy_paste > 0) && data.about().masks;
  const bool closed = progress >= 1 - config.close_mosaic;
  const auto make = [&](int64_t which) {
    const bool mosaic = !closed && config.mosaic > 0 && random.chance(config.mosaic);
    auto scene = warped(config, wanted, data, which, mosaic, random);
    if (config.copy_paste > 0 && scene.masks.defined())
      scene = pasted(scene, scene, config.copy_paste, data.about().swap, random);
    return scene;
  };
  auto scene = make(index);
  if (!closed && config.mixup > 0 && random.chance(config.mixup))
    scene = mixed(scene, make(random.below(data.size())), random.beta(32, 32));
  const auto both = [&](double most) { return most > 0 ? random.uniform(-most, most) : 0; };
  const auto hue = both(config.hsv_h), saturation = both(config.hsv_s), value = both(config.hsv_v);
  if (hue != 0 || saturation != 0 || value != 0) shift_colors(scene.image, hue, 1 + saturation, 1 + value);
  if (!frame.masks) scene.masks = Tensor();
  return scene;
}

}  // namespace hadal
