#include "hadal/data/vision/scenes/pose_batch.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "hadal/data/vision/scenes/warp.h"
#include "hadal/models/pose/heatmaps.h"

namespace hadal {
namespace {

/// The points on one side of a random line through the object's middle; others keep no weight. A few are left alone.
Tensor half_of(const Tensor& points, Random& random) {
  constexpr int64_t kLeast = 4;
  const auto given = points.contiguous();
  const auto* p = given.const_data_ptr<float>();
  const auto turn = random.uniform(0, 2 * std::numbers::pi);
  std::vector<std::pair<double, int64_t>> along;
  for (int64_t k = 0; k < given.size(0); ++k)
    if (p[3 * k + 2] > 0) along.emplace_back(std::cos(turn) * p[3 * k] + std::sin(turn) * p[3 * k + 1], k);
  if (std::ssize(along) < kLeast) return points;
  std::sort(along.begin(), along.end());
  auto out = torch::zeros_like(given);
  for (size_t i = 0; i < (along.size() + 1) / 2; ++i) out[along[i].second] = given[along[i].second];
  return out;
}

/// Away from the input's edges there is nothing to learn.
void weigh(Tensor& points, const PosePreparation& preparation) {
  auto* p = points.data_ptr<float>();
  for (int64_t n = 0; n < points.numel() / 3; ++n, p += 3) {
    const bool inside = p[0] >= -0.5F && p[1] >= -0.5F && p[0] < static_cast<float>(preparation.map_width) - 0.5F &&
                        p[1] < static_cast<float>(preparation.map_height) - 0.5F;
    p[2] = p[2] > 0 && inside ? 1.0F : 0.0F;
  }
}

}  // namespace

Fields<PoseAugmentConfig> PoseAugmentConfig::fields() {
  using C = PoseAugmentConfig;
  return {{"degrees", &C::degrees, "turn by up to so many degrees either way", between(0, 180)},
          {"scale", &C::scale, "size from 1 - scale to 1 + scale", from_below(0, 1)},
          {"translate", &C::translate, "shift by up to this share of the crop either way", between(0, 1)},
          {"hflip", &C::hflip, "how often left and right change", between(0, 1)},
          {"vflip", &C::vflip, "how often top and bottom change", between(0, 1)},
          {"half_body", &C::half_body, "how often half of an object's points are looked at alone", between(0, 1)},
          {"hsv_h", &C::hsv_h, "turn the colour wheel by up to this share either way", between(0, 0.5)},
          {"hsv_s", &C::hsv_s, "saturation from 1 - hsv_s to 1 + hsv_s", between(0, 1)},
          {"hsv_v", &C::hsv_v, "brightness from 1 - hsv_v to 1 + hsv_v", between(0, 1)}};
}

std::vector<int64_t> posed_objects(const SceneTruth& truth) {
  std::vector<int64_t> out;
  if (!truth.keypoints.defined()) return out;
  const auto seen = truth.keypoints.select(2, 2).gt(0).any(1).contiguous();
  for (int64_t i = 0; i < seen.size(0); ++i)
    if (seen.const_data_ptr<bool>()[i] && !(truth.crowd.defined() && truth.crowd[i].item<bool>())) out.push_back(i);
  return out;
}

std::vector<PoseSample> pose_samples(const SceneData& data, PoseBox from) {
  std::vector<PoseSample> out;
  for (int64_t picture = 0; picture < data.size(); ++picture) {
    const auto objects = posed_objects(data.truth(picture));
    require(from != PoseBox::whole || objects.size() <= 1,
            "box=whole wants one object a picture, and {} has {}: box=data or box=points looks at each alone",
            data.name(picture), objects.size());
    for (const auto object : objects) out.push_back({picture, object});
  }
  return out;
}

PoseTransform::PoseTransform(const PoseAugmentConfig& config, PosePreparation preparation, PoseBox from, double sigma)
    : config_(config), preparation_(std::move(preparation)), from_(from), sigma_(sigma) {
  validate_config(config, "augment");
}

Homography PoseTransform::choose(const SceneTruth& truth, int64_t object, bool& mirrored, Random& random) const {
  const auto both = [&](double most) { return most > 0 ? random.uniform(-most, most) : 0; };
  auto box = pose_box(truth, object, from_);
  if (config_.half_body > 0 && random.chance(config_.half_body))
    box = box_around_points(half_of(truth.keypoints[object], random));
  const auto w = real(preparation_.width), h = real(preparation_.height);
  auto out = into_input(box, preparation_, from_ == PoseBox::whole ? 1 : preparation_.padding);
  const auto angle = both(config_.degrees) * std::numbers::pi / 180, size = 1 + both(config_.scale);
  const auto c = size * std::cos(angle), s = size * std::sin(angle);
  out = followed_by(out, shift(-(w - 1) / 2, -(h - 1) / 2));
  out = followed_by(out, {c, s, 0, -s, c, 0, 0, 0, 1});
  const auto x = both(config_.translate) * w, y = both(config_.translate) * h;
  out = followed_by(out, shift((w - 1) / 2 + x, (h - 1) / 2 + y));
  const bool across = config_.hflip > 0 && random.chance(config_.hflip);
  const bool down = config_.vflip > 0 && random.chance(config_.vflip);
  if (across) out = followed_by(out, {-1, 0, w - 1, 0, 1, 0, 0, 0, 1});
  if (down) out = followed_by(out, {1, 0, 0, 0, -1, h - 1, 0, 0, 1});
  mirrored = across != down;  // mirrored both ways is turned: every side keeps its place
  return out;
}

PoseBatch PoseTransform::operator()(const SceneData& data, const std::vector<PoseSample>& samples,
                                    const BatchPlan& plan) const {
  std::vector<Tensor> crops, points;
  const auto& swap = data.about().swap;
  for (const auto index : plan.indices) {
    auto random = plan.sample(index);
    const auto [picture, object] = samples.at(static_cast<size_t>(index));
    const auto truth = data.truth(picture);
    bool mirrored = false;
    const auto forward = choose(truth, object, mirrored, random);
    auto crop = pose_crop(data.get(picture, {.masks = false}).image, forward, preparation_);
    const auto both = [&](double most) { return most > 0 ? random.uniform(-most, most) : 0; };
    const auto hue = both(config_.hsv_h), saturation = both(config_.hsv_s), value = both(config_.hsv_v);
    if (hue != 0 || saturation != 0 || value != 0) shift_colors(crop, hue, 1 + saturation, 1 + value);
    crops.push_back(crop);
    auto labels = moved_points(truth.keypoints[object], followed_by(forward, into_maps(preparation_)));
    if (mirrored && !swap.empty()) labels = labels.index_select(0, torch::tensor(swap, torch::kInt64));
    weigh(labels, preparation_);
    points.push_back(labels);
  }
  PoseBatch out{pose_pixels(crops, preparation_), torch::stack(points), {}, {}};
  out.weights = out.points.select(2, 2).clone();
  out.wanted = gaussian_maps(out.points, preparation_.map_height, preparation_.map_width, sigma_);
  return out;
}

}  // namespace hadal
