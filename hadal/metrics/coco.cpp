#include "hadal/metrics/coco.h"

#include <algorithm>
#include <cmath>

#include "hadal/core/error.h"

namespace hadal {
namespace {

// As numpy's linspace makes them, which decides where a recall or IoU lies right on one.
std::vector<double> steps(double from, double to, int64_t count) {
  const auto step = (to - from) / static_cast<double>(count - 1);
  std::vector<double> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(static_cast<double>(i) * step + from);
  out.back() = to;
  return out;
}

constexpr double kSmall = 32 * 32, kMedium = 96 * 96, kLarge = 1e10;

}  // namespace

std::vector<double> equal_sigmas(size_t count) { return std::vector<double>(count, 1.0 / static_cast<double>(count)); }

const std::vector<double>& coco_sigmas() {
  static const std::vector<double> sigmas = [] {
    std::vector<double> out = {.26, .25, .25, .35, .35, .79, .79, .72, .72, .62, .62, 1.07, 1.07, .87, .87, .89, .89};
    for (auto& value : out) value /= 10;
    return out;
  }();
  return sigmas;
}

CocoSettings complete(CocoSettings settings) {
  const bool points = settings.kind == CocoKind::kKeypoints;
  if (settings.thresholds.empty()) settings.thresholds = steps(.5, .95, 10);
  if (settings.most.empty()) settings.most = points ? std::vector<int64_t>{20} : std::vector<int64_t>{1, 10, 100};
  if (settings.ranges.empty()) {
    settings.ranges = {
        {"all", 0, kLarge}, {"small", 0, kSmall}, {"medium", kSmall, kMedium}, {"large", kMedium, kLarge}};
    if (points) settings.ranges.erase(settings.ranges.begin() + 1);
  }
  if (points && settings.sigmas.empty()) settings.sigmas = coco_sigmas();
  require(settings.thresholds.size() <= 32, "[coco] at most 32 thresholds can be scored at once, got {}",
          settings.thresholds.size());
  for (const auto value : settings.thresholds)
    require(value > 0 && value <= 1, "[coco] a threshold is above 0 and at most 1, got {}", value);
  require(std::is_sorted(settings.most.begin(), settings.most.end()) && settings.most[0] > 0,
          "[coco] how many results count must be at least 1, and rise");
  for (const auto value : settings.sigmas)
    require(value > 0 && std::isfinite(value), "[coco] the sigma of a keypoint is above 0, got {}", value);
  return settings;
}

double CocoScores::at(const std::string& name) const {
  for (const auto& [known, value] : summary)
    if (known == name) return value;
  std::vector<std::string> names;
  for (const auto& [known, value] : summary) names.push_back(known);
  fail("[coco] there is no score \"{}\"{}", name, suggest(name, names));
}

CocoEvaluation::CocoEvaluation(CocoSettings settings) : settings_(complete(std::move(settings))) {}

void CocoEvaluation::check(CocoObject& object, const char* what) const {
  const auto say = [&](const std::string& wrong) { fail("[coco] {} of picture {} {}", what, object.picture, wrong); };
  if (!std::isfinite(object.score)) say(fmt::format("has the score {}", object.score));
  if (!std::isfinite(object.area)) say(fmt::format("has the area {}", object.area));
  for (const auto value : object.box)
    if (!std::isfinite(value)) say(fmt::format("has {} in its box", value));
  if (settings_.kind == CocoKind::kMask && object.mask.counts.empty()) say("has no mask");
  if (settings_.kind == CocoKind::kKeypoints) {
    if (object.keypoints.size() != 3 * settings_.sigmas.size())
      say(fmt::format("has {} numbers for its keypoints, expected {}, three for each of {} keypoints",
                      object.keypoints.size(), 3 * settings_.sigmas.size(), settings_.sigmas.size()));
    for (const auto value : object.keypoints)
      if (!std::isfinite(value)) say(fmt::format("has {} in its keypoints", value));
  }
  if (object.area < 0)
    object.area =
        settings_.kind == CocoKind::kMask ? static_cast<double>(rle_area(object.mask)) : object.box[2] * object.box[3];
}

void CocoEvaluation::add_truth(CocoObject object) {
  check(object, "an object");
  truth_.push_back(std::move(object));
}

void CocoEvaluation::add_found(CocoObject object) {
  check(object, "a result");
  found_.push_back(std::move(object));
}

std::vector<CocoObject> coco_objects(int64_t picture, const Tensor& boxes, const Tensor& labels, const Tensor& scores,
                                     const Tensor& masks, const Tensor& keypoints) {
  const auto count = boxes.size(0);
  if (boxes.dim() != 2 || boxes.size(1) != 4 || labels.numel() != count ||
      (scores.defined() && scores.numel() != count) || (masks.defined() && masks.size(0) != count) ||
      (keypoints.defined() && (keypoints.dim() != 3 || keypoints.size(0) != count || keypoints.size(2) != 3)))
    fail("[coco] a picture's objects are boxes (N, 4), labels (N), scores (N), masks (N, H, W), keypoints (N, K, 3)");
  const auto plain = [](const Tensor& tensor, torch::ScalarType type) {
    return tensor.detach().to(torch::kCPU, type).contiguous();
  };
  const auto corners = plain(boxes, torch::kFloat64), classes = plain(labels, torch::kInt64);
  const auto confidence = scores.defined() ? plain(scores, torch::kFloat64) : Tensor();
  const auto points = keypoints.defined() ? plain(keypoints, torch::kFloat64) : Tensor();
  auto runs = masks.defined() ? rle_encode_all(masks) : std::vector<Rle>();
  std::vector<CocoObject> out(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    auto& object = out[static_cast<size_t>(i)];
    object.picture = picture, object.label = classes.const_data_ptr<int64_t>()[i];
    const auto* box = corners.const_data_ptr<double>() + 4 * i;
    object.box = {box[0], box[1], box[2] - box[0], box[3] - box[1]};
    if (confidence.defined()) object.score = confidence.const_data_ptr<double>()[i];
    if (!runs.empty()) object.mask = std::move(runs[static_cast<size_t>(i)]);
    if (!points.defined()) continue;
    const auto size = 3 * points.size(1);
    const auto* first = points.const_data_ptr<double>() + size * i;
    object.keypoints.assign(first, first + size);
    object.ignore = true;
    for (int64_t k = 2; k < size; k += 3) object.ignore = object.ignore && !(first[k] > 0);
  }
  return out;
}

}  // namespace hadal
