#include "hadal/tasks/vision/detect_judge.h"

#include <algorithm>
#include <numeric>

#include "hadal/data/vision/scenes/scene_draw.h"
#include "hadal/metrics/coco_errors.h"
#include "hadal/trained/vision/detection_answers.h"

namespace hadal {
namespace {

constexpr size_t kShown = 12;
constexpr int64_t kShownSide = 400;

std::vector<double> sigmas_of(const SceneAbout& about) {
  return about.sigmas.empty() ? equal_sigmas(about.keypoints.size()) : about.sigmas;
}

/// Members by the rows that `keep` marks.
Tensor rows_of(const Tensor& all, const Tensor& keep) { return all.defined() ? all.index_select(0, keep) : Tensor(); }

}  // namespace

std::vector<int64_t> match_scene_classes(const std::vector<std::string>& data, const std::vector<std::string>& model) {
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
    fail_usage("the data has a class \"{}\" that the model does not know{}; names= says what the model calls them",
               stranger, suggest(stranger, model));
  std::iota(places.begin(), places.end(), 0);
  return places;
}

DetectJudge::DetectJudge(const TrainedDetector& detector, std::shared_ptr<const SceneData> data,
                         std::vector<int64_t> classes)
    : detector_(detector), data_(std::move(data)), classes_(std::move(classes)) {
  const auto& about = data_->about();
  if (detector.about().masks && about.masks) masks_.emplace(CocoSettings{.kind = CocoKind::kMask});
  if (!detector.about().keypoints.empty() && about.keypoints.size() == detector.about().keypoints.size())
    keypoints_.emplace(CocoSettings{.kind = CocoKind::kKeypoints, .sigmas = sigmas_of(about)});
}

void DetectJudge::add(int64_t index, const Found& given) {
  Found found{given.boxes.cpu(),
              given.labels.cpu(),
              given.scores.cpu().to(torch::kFloat64),
              given.masks.defined() ? given.masks.cpu() : Tensor(),
              given.keypoints.defined() ? given.keypoints.cpu() : Tensor(),
              given.masks_are};
  const auto picture = data_->picture_id(index);
  Scene truth;
  if (masks_) {
    truth = data_->get(index);
  } else {
    const auto t = data_->truth(index);
    truth = {{}, t.boxes, t.labels, {}, t.keypoints, t.crowd, t.area};
  }
  auto labels = truth.labels.clone();
  for (int64_t i = 0; i < labels.size(0); ++i) labels[i] = classes_.at(static_cast<size_t>(labels[i].item<int64_t>()));
  const auto enter = [&](CocoEvaluation& into, const Tensor& truth_masks, const Tensor& found_masks, bool points) {
    auto objects = coco_objects(picture, truth.boxes, labels, {}, truth_masks, points ? truth.keypoints : Tensor());
    for (size_t i = 0; i < objects.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (truth.crowd.defined()) objects[i].crowd = truth.crowd[row].item<bool>();
      if (truth.area.defined()) objects[i].area = truth.area[row].item<double>();
      into.add_truth(std::move(objects[i]));
    }
    for (auto& object : coco_objects(picture, found.boxes, found.labels, found.scores, found_masks,
                                     points ? found.keypoints : Tensor()))
      into.add_found(std::move(object));
  };
  enter(boxes_, {}, {}, false);
  if (masks_) {
    // COCO looks at 100 a picture; pasting more would only cost time.
    const auto few = torch::arange(std::min<int64_t>(found.boxes.size(0), 100));
    found = {rows_of(found.boxes, few), rows_of(found.labels, few),    rows_of(found.scores, few),
             rows_of(found.masks, few), rows_of(found.keypoints, few), found.masks_are};
    enter(*masks_, truth.masks, pasted_masks(found, {truth.image.size(0), truth.image.size(1)}), false);
  }
  if (keypoints_) enter(*keypoints_, {}, {}, true);
  const auto every = std::max<int64_t>(1, data_->size() / static_cast<int64_t>(kShown));
  if (seen_++ % every == 0 && shown_.size() < kShown) {
    const auto sure = found.scores.ge(detector_.config().predict.conf).nonzero().squeeze(1);
    shown_.push_back({index,
                      {rows_of(found.boxes, sure), rows_of(found.labels, sure), rows_of(found.scores, sure),
                       rows_of(found.masks, sure), rows_of(found.keypoints, sure), found.masks_are}});
  }
}

Metrics DetectJudge::metrics() {
  Metrics out;
  const auto add = [&](const CocoScores& scores, const std::string& prefix) {
    out.emplace_back(prefix + "_mAP50-95", scores.at("AP"));
    out.emplace_back(prefix + "_mAP50", scores.at("AP50"));
    out.emplace_back(prefix + "_mAP75", scores.at("AP75"));
  };
  scored_ = boxes_.scores();
  add(*scored_, "box");
  if (masks_) add(masks_->scores(), "mask");
  if (keypoints_) {
    const auto scores = keypoints_->scores();
    out.emplace_back("keypoint_AP", scores.at("AP"));
    out.emplace_back("keypoint_AP50", scores.at("AP50"));
    out.emplace_back("keypoint_AP75", scores.at("AP75"));
  }
  return out;
}

std::vector<Score> DetectJudge::scores(const DetectionModel& model) {
  std::vector<Score> out = {{"box_mAP50-95"}, {"box_mAP50"}, {"box_mAP75"}};
  if (model.has_masks())
    for (const auto* name : {"mask_mAP50-95", "mask_mAP50", "mask_mAP75"}) out.push_back({name});
  if (model.keypoints() > 0)
    for (const auto* name : {"keypoint_AP", "keypoint_AP50", "keypoint_AP75"}) out.push_back({name});
  return out;
}

std::string DetectJudge::goal(const DetectionModel& model) {
  return model.has_masks() ? "mask_mAP50-95" : model.keypoints() > 0 ? "keypoint_AP" : "box_mAP50-95";
}

PictureGrid DetectJudge::pictures() const {
  PictureGrid grid{"Truth, and what was found", {}};
  for (const auto& [index, found] : shown_) {
    // The truth is shown as far as the model could have found it.
    auto scene = data_->get(index, {.masks = detector_.about().masks});
    if (detector_.about().keypoints.empty()) scene.keypoints = Tensor();
    const ImageSize size{scene.image.size(0), scene.image.size(1)};
    const auto made = draw_detections(scene.image, detector_.detections(found, size), detector_.about());
    auto both = torch::cat({drawn(scene, data_->about()), made}, 1);
    if (const auto longer = both.size(1); longer > 2 * kShownSide)
      both = resize(both, both.size(0) * 2 * kShownSide / longer, 2 * kShownSide);
    grid.items.push_back({both, fmt::format("{} there, {} found", scene.boxes.size(0), found.boxes.size(0)), {}});
  }
  return grid;
}

std::vector<Figure> DetectJudge::figures() const {
  std::vector<Figure> out;
  if (!shown_.empty()) out.emplace_back(pictures());
  if (!scored_) return out;
  const auto& names = detector_.about().classes;
  const auto name_of = [&](int64_t label) {
    return label >= 0 && label < std::ssize(names) ? names[static_cast<size_t>(label)] : fmt::format("{}", label);
  };
  CurveFigure curves{"Precision over recall, boxes at IoU .50", "recall", "precision", {}};
  constexpr size_t kMostCurves = 12;
  for (size_t c = 0; c < scored_->classes.size() && c < kMostCurves; ++c) {
    const auto& one = scored_->classes[c];
    if (one.truth == 0) continue;
    CurveFigure::Series series{fmt::format("{} {:.3f}", name_of(one.label), one.ap_50), {}};
    const auto* precision = scored_->curve(c, 0);
    for (int64_t r = 0; r < CocoScores::kRecalls; ++r)
      series.points.emplace_back(static_cast<double>(r) / 100, precision[r]);
    curves.series.push_back(std::move(series));
  }
  if (!curves.series.empty()) out.emplace_back(std::move(curves));
  const auto confusion = coco_confusion(boxes_, detector_.config().predict.conf);
  if (const auto count = static_cast<int64_t>(confusion.labels.size()); count > 0) {
    MatrixFigure matrix{
        "Confusion matrix, boxes at IoU .50", {}, torch::tensor(confusion.counts).view({count + 1, -1})};
    for (const auto label : confusion.labels) matrix.labels.push_back(name_of(label));
    matrix.labels.push_back("nothing");
    out.emplace_back(std::move(matrix));
  }
  const auto errors = coco_errors(boxes_);
  TextFigure kinds{"What keeps box AP50 down", {}};
  for (size_t k = 0; k < kCocoErrorNames.size(); ++k)
    kinds.items.push_back(
        {kCocoErrorNames[k], fmt::format("{:.4f} lost to {} of them", errors.lost[k], errors.count[k])});
  out.emplace_back(std::move(kinds));
  return out;
}

}  // namespace hadal
