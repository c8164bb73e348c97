#include "hadal/tasks/vision/pose_judge.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "hadal/data/vision/scenes/pose_batch.h"
#include "hadal/data/vision/scenes/scene_draw.h"
#include "hadal/trained/vision/detection_answers.h"

namespace hadal {
namespace {

constexpr size_t kShownPoses = 12;
constexpr int64_t kPoseSide = 400;
constexpr double kNear = 15;  // pixels
constexpr double kMatched = 1.0 / 3;
constexpr const char* kCoco[] = {"AP", "AP50", "AP75", "AP_medium", "AP_large",
                                 "AR", "AR50", "AR75", "AR_medium", "AR_large"};

std::span<const double> numbers_of(const Tensor& row) {
  return {row.const_data_ptr<double>(), static_cast<size_t>(row.numel())};
}

/// The share that two boxes have in common of what both cover.
double overlap(const Window& a, const Window& b) {
  const auto area = [](const Window& w) { return std::max(0.0, w[2] - w[0]) * std::max(0.0, w[3] - w[1]); };
  const auto both = area({std::max(a[0], b[0]), std::max(a[1], b[1]), std::min(a[2], b[2]), std::min(a[3], b[3])});
  return both > 0 ? both / (area(a) + area(b) - both) : 0;
}

std::string percent(double share) { return std::isnan(share) ? "–" : fmt::format("{:.1f} %", 100 * share); }
std::string pixels(double distance) { return std::isnan(distance) ? "–" : fmt::format("{:.2f} px", distance); }

}  // namespace

std::vector<int64_t> match_keypoints(const std::vector<std::string>& data, const std::vector<std::string>& model) {
  std::vector<int64_t> places;
  std::string stranger;
  for (const auto& name : data) {
    const auto found = std::find(model.begin(), model.end(), name);
    if (found == model.end() && stranger.empty()) stranger = name;
    places.push_back(found - model.begin());
  }
  if (stranger.empty()) return places;
  const bool none = std::all_of(places.begin(), places.end(), [&](int64_t p) { return p == std::ssize(model); });
  if (!none || data.size() != model.size())
    fail_usage("the data has a keypoint \"{}\" that the model does not know{}; the model's are {}", stranger,
               suggest(stranger, model), fmt::join(model, ", "));
  std::iota(places.begin(), places.end(), 0);
  return places;
}

PoseJudge::PoseJudge(const TrainedPose& pose, std::shared_ptr<const SceneData> data, std::vector<int64_t> order,
                     const std::vector<double>& sigmas)
    : pose_(pose), data_(std::move(data)), order_(std::move(order)), errors_(data_->about().keypoints.size()) {
  if (!sigmas.empty()) coco_.emplace(CocoSettings{.kind = CocoKind::kKeypoints, .sigmas = sigmas});
}

void PoseJudge::add(int64_t index, const Tensor& given) {
  const auto truth = data_->truth(index);
  const auto objects = posed_objects(truth);
  require(given.size(0) == std::ssize(objects), "[pose] {} poses for {} objects", given.size(0), objects.size());
  std::vector<Detection> found;
  std::vector<int64_t> of;
  for (size_t i = 0; i < objects.size(); ++i) {
    const auto box = pose_box(truth, objects[i], PoseBox::data);
    const auto label = truth.labels[objects[i]].item<int64_t>();
    Detection object{.name = data_->about().classes.at(static_cast<size_t>(label)),
                     .label = label,
                     .keypoints = given[static_cast<int64_t>(i)]};
    for (size_t k = 0; k < 4; ++k) object.box[k] = static_cast<float>(box[k]);
    const auto points = object.keypoints.to(torch::kCPU, torch::kFloat64).contiguous();
    object.score = keypoint_score(1, numbers_of(points));
    found.push_back(std::move(object));
    of.push_back(static_cast<int64_t>(i));
  }
  take(index, truth, objects, std::move(found), of);
}

void PoseJudge::add(int64_t index, std::vector<Detection> found) {
  const auto truth = data_->truth(index);
  const auto objects = posed_objects(truth);
  struct Pair {
    double overlap;
    size_t object, found;
  };
  std::vector<Pair> pairs;
  for (size_t i = 0; i < objects.size(); ++i)
    for (size_t d = 0; d < found.size(); ++d) {
      const auto& f = found[d].box;
      const auto both = overlap(pose_box(truth, objects[i], PoseBox::data), {f[0], f[1], f[2], f[3]});
      if (both >= kMatched) pairs.push_back({both, i, d});
    }
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.overlap > b.overlap; });
  std::vector<int64_t> of(objects.size(), -1);
  std::vector<bool> taken(found.size(), false);
  for (const auto& pair : pairs)
    if (of[pair.object] < 0 && !taken[pair.found])
      of[pair.object] = static_cast<int64_t>(pair.found), taken[pair.found] = true;
  objects_ += std::ssize(of), found_ += std::count_if(of.begin(), of.end(), [](int64_t d) { return d >= 0; });
  take(index, truth, objects, std::move(found), of);
}

void PoseJudge::take(int64_t index, const SceneTruth& truth, const std::vector<int64_t>& objects,
                     std::vector<Detection> found, const std::vector<int64_t>& of) {
  const auto picture = data_->picture_id(index);
  const auto order = torch::tensor(order_, torch::kInt64);
  std::vector<Tensor> points;
  for (auto& object : found) {
    object.keypoints = object.keypoints.cpu().index_select(0, order);
    points.push_back(object.keypoints.to(torch::kFloat64).contiguous());
  }
  if (coco_) {
    auto all = coco_objects(picture, truth.boxes, torch::zeros_like(truth.labels), {}, {}, truth.keypoints);
    for (size_t i = 0; i < all.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (truth.crowd.defined()) all[i].crowd = truth.crowd[row].item<bool>();
      if (truth.area.defined()) all[i].area = truth.area[row].item<double>();
      coco_->add_truth(std::move(all[i]));
    }
    for (size_t d = 0; d < found.size(); ++d) {
      const auto& b = found[d].box;
      const auto flat = numbers_of(points[d]);
      coco_->add_found({.picture = picture,
                        .score = found[d].score,
                        .box = {b[0], b[1], b[2] - b[0], b[3] - b[1]},
                        .keypoints = {flat.begin(), flat.end()}});
    }
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    const auto wanted = truth.keypoints[objects[i]].to(torch::kFloat64).contiguous();
    const auto box = pose_box(truth, objects[i], PoseBox::data);
    if (of[i] < 0)
      errors_.add_missed(numbers_of(wanted));
    else
      errors_.add(numbers_of(points[static_cast<size_t>(of[i])]), numbers_of(wanted),
                  std::max(box[2] - box[0], box[3] - box[1]));
  }
  const auto every = std::max<int64_t>(1, data_->size() / static_cast<int64_t>(kShownPoses));
  if (seen_++ % every == 0 && shown_.size() < kShownPoses) shown_.push_back({index, std::move(found)});
}

Metrics PoseJudge::metrics() const {
  Metrics out;
  if (coco_) {
    const auto scores = coco_->scores();
    for (const auto* name : kCoco) out.emplace_back(fmt::format("keypoint_{}", name), scores.at(name));
  }
  out.emplace_back("median_px", errors_.median_of_all());
  out.emplace_back("rmse_px", errors_.mean_rmse());
  out.emplace_back("within_15", errors_.mean_within(kNear));
  out.emplace_back("pck50", errors_.mean_pck(0.5));
  out.emplace_back("pck10", errors_.mean_pck(0.1));
  // Where a detector found none, there is no distance to speak of: this says why.
  if (objects_ > 0) out.emplace_back("found", static_cast<double>(found_) / static_cast<double>(objects_));
  return out;
}

std::vector<Score> PoseJudge::scores(const SceneAbout& about) {
  std::vector<Score> out;
  if (!about.sigmas.empty())
    for (const auto* name : kCoco) out.push_back({fmt::format("keypoint_{}", name)});
  for (const auto& score : {Score{"median_px", false}, {"rmse_px", false}, {"within_15"}, {"pck50"}, {"pck10"}})
    out.push_back(score);
  return out;
}

std::string PoseJudge::goal(const SceneAbout& about) { return about.sigmas.empty() ? "median_px" : "keypoint_AP"; }

std::vector<Figure> PoseJudge::figures() const {
  std::vector<Figure> out;
  PictureGrid grid{"Truth, and what was found", {}};
  for (const auto& [index, found] : shown_) {
    const auto scene = data_->get(index, {.masks = false});
    const auto made = draw_detections(scene.image, found, data_->about(), pose_.config().predict.sure);
    auto both = torch::cat({drawn(scene, data_->about()), made}, 1);
    if (const auto longer = both.size(1); longer > 2 * kPoseSide)
      both = resize(both, both.size(0) * 2 * kPoseSide / longer, 2 * kPoseSide);
    grid.items.push_back({both, data_->name(index), {}});
  }
  if (!grid.items.empty()) out.emplace_back(std::move(grid));
  const auto median = errors_.median(), rmse = errors_.rmse(), near = errors_.within(kNear), pck = errors_.pck(0.5),
             pck10 = errors_.pck(0.1);
  CurveFigure curves{"How many points come how near", "pixels", "share of points", {}};
  TextFigure table{"Each point's error", {}};
  constexpr size_t kMostCurves = 12;
  constexpr int kFarthest = 30;
  for (size_t k = 0; k < names().size(); ++k) {
    table.items.push_back(
        {names()[k], fmt::format("median {}, RMSE {}, within {:.0f} px {}, PCK@0.5 {}, PCK@0.1 {} of {} points",
                                 pixels(median[k]), pixels(rmse[k]), kNear, percent(near[k]), percent(pck[k]),
                                 percent(pck10[k]), errors_.distances(k).size())});
    if (k >= kMostCurves || errors_.distances(k).empty()) continue;
    CurveFigure::Series series{names()[k], {}};
    for (int d = 0; d <= kFarthest; ++d) series.points.emplace_back(d, errors_.within(d)[k]);
    curves.series.push_back(std::move(series));
  }
  if (!curves.series.empty()) out.emplace_back(std::move(curves));
  out.emplace_back(std::move(table));
  return out;
}

}  // namespace hadal
