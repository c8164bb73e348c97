#include "hadal/tasks/vision/pose.h"

#include <map>

#include "hadal/core/format.h"
#include "hadal/data/vision/scenes/scene_check.h"
#include "hadal/data/vision/scenes/sources.h"
#include "hadal/models/pose/heatmaps.h"
#include "hadal/tasks/vision/pose_judge.h"

namespace hadal {
namespace {

struct PoseStep {
  PoseBatch made;
  auto tensors() { return std::tie(made.pixels, made.points, made.wanted, made.weights); }
};

class Pose : public Task {
 public:
  Pose(const PoseConfig& config, const TaskContext& context)
      : config_(config), context_(context), box_(pose_box_from(config.box)) {
    open_data();
    const auto known = DetectorLearned::from(context_.learned);
    // What is only scored keeps what it was taught; the data's points are looked for by name.
    learned_ = context_.learns || known.keypoints.empty() ? DetectorLearned::of(source_.about) : known;
    made_ = std::make_unique<TrainedPose>(config_, write_config(learned_), context_);
    static_cast<TrainedPoseConfig&>(config_) = made_->config();
    order_ = match_keypoints(source_.about.keypoints, made_->about().keypoints);
    if (context_.learns) make_train_loader();
  }

  nn::Module& model() override { return made_->model(); }
  Table settings() const override { return write_config(config_); }
  Table learned() const override { return write_config(learned_); }

  Batches& batches() override { return *batches_; }
  Losses losses(const Step&) override {
    const auto& batch = batches_->current().made;
    return {heatmap_loss(made_->model().forward(batch.pixels), batch.wanted, batch.weights), {}};
  }

  std::vector<std::string> splits() const override { return source_.splits; }
  std::vector<Score> scores() const override { return PoseJudge::scores(source_.about); }
  std::string goal() const override { return PoseJudge::goal(source_.about); }
  Metrics evaluate(const std::string& split, int64_t limit) override;
  std::vector<Figure> figures() override { return judge_ ? judge_->figures() : std::vector<Figure>{}; }
  std::string summary() const override {
    auto text = made_->summary();
    if (train_) text += fmt::format("; {} training objects", format_count(std::ssize(samples_)));
    return text + remark_;
  }

 private:
  void open_data() {
    source_ = scene_sources().make(config_.data);
    config_.data = scene_sources().resolve(config_.data);
    if (!source_.divided && context_.learns) source_.splits = {"train"};
    require(!source_.about.keypoints.empty(),
            "the data ({}) has no keypoints; detect finds boxes and masks without them", source_.kind);
    if (!config_.sigmas.empty()) {
      require(config_.sigmas.size() == source_.about.keypoints.size(), "sigmas lists {} and the data has {} keypoints",
              config_.sigmas.size(), source_.about.keypoints.size());
      source_.about.sigmas = config_.sigmas;
    }
    if (!context_.learns) return;
    require_split("train");
    if (!config_.names.empty())
      require(config_.names.size() == source_.about.classes.size(), "names lists {} classes and the data has {}",
              config_.names.size(), source_.about.classes.size());
    train_ = open("train");
    if (const auto report = quick_check(source_); report.errors() + report.warnings() > 0)
      remark_ = fmt::format("; {} errors and {} warnings in the labels: hadal check says which", report.errors(),
                            report.warnings());
    samples_ = pose_samples(*train_, box_);
    require(!samples_.empty(),
            "no object of the training split has a keypoint that is there: all are hidden or missing");
  }

  std::shared_ptr<SceneData> open(const std::string& split) {
    auto& data = opened_[split];
    if (!data) data = source_.open(split);
    return data;
  }

  void make_train_loader() {
    for (const auto* split : {"val", "test"})  // what is wrong with them is said now, not after the training
      if (has_split(split)) pose_samples(*open(split), box_);
    transform_.emplace(config_.augment, made_->preparation(), box_, config_.sigma);
    const auto sampler = shuffled(std::ssize(samples_), context_.batch, context_.seed);
    batches_.emplace(sampler, context_.workers, context_.device, [this](const BatchPlan& plan) {
      PoseStep batch{(*transform_)(*train_, samples_, plan)};
      batch.made.pixels = made_->laid_out(batch.made.pixels);
      return batch;
    });
  }

  PoseConfig config_;
  TaskContext context_;
  PoseBox box_;
  SceneSource source_;
  DetectorLearned learned_;
  std::string remark_;  // of what is wrong with the labels
  std::map<std::string, std::shared_ptr<SceneData>> opened_;
  std::shared_ptr<SceneData> train_;
  std::vector<PoseSample> samples_;
  std::unique_ptr<TrainedPose> made_;
  std::vector<int64_t> order_;  // of each of the data's points its place among the model's
  std::optional<PoseTransform> transform_;
  std::optional<PoseJudge> judge_;  // of the last evaluation
  std::optional<LoadedBatches<PoseStep>> batches_;
};

Metrics Pose::evaluate(const std::string& split, int64_t limit) {
  const auto data = open(split);
  judge_.emplace(*made_, data, order_, source_.about.sigmas);
  struct Pictures {
    std::vector<int64_t> indices;
    std::vector<Tensor> images;
    Tensor none;
    auto tensors() { return std::tie(none); }
  };
  each_batch<Pictures>(
      model(), scored_samples(data->size(), limit, context_.batch), context_,
      [&](const BatchPlan& plan) {
        Pictures out{plan.indices, {}, {}};
        for (const auto index : plan.indices) out.images.push_back(data->get(index, {.masks = false}).image);
        return out;
      },
      [&](const Pictures& batch) {
        if (!config_.predict.detector.empty()) {
          auto found = made_->poses(batch.images, config_.predict);
          for (size_t i = 0; i < found.size(); ++i) judge_->add(batch.indices[i], std::move(found[i]));
          return;
        }
        std::vector<std::vector<PosedBox>> boxes;
        for (const auto index : batch.indices) {
          const auto truth = data->truth(index);
          auto& own = boxes.emplace_back();
          for (const auto object : posed_objects(truth))
            own.push_back({pose_box(truth, object, box_), box_ == PoseBox::whole ? 1.0 : 0.0});
        }
        const auto found = made_->find(batch.images, boxes, config_.predict);
        for (size_t i = 0; i < found.size(); ++i) judge_->add(batch.indices[i], found[i]);
      });
  return judge_->metrics();
}

}  // namespace

Fields<PoseConfig> PoseConfig::fields() {
  using C = PoseConfig;
  return {TrainedPoseConfig::fields(),
          {{"data", &C::data, "where pictures and their objects come from", scene_sources().kinds("kind")},
           {"box", &C::box, "what of a picture is looked at: the data's boxes, boxes around the points, the whole",
            one_of({"data", "points", "whole"})},
           {"sigma", &C::sigma, "width of the Gaussians to be learned, in the heat maps' pixels", above(0)},
           {"sigmas", &C::sigmas, "how far apart people put each keypoint, as COCO measures it (default: the data's)",
            above(0)},
           {"augment", &C::augment, "how crops are varied for training"}}};
}

void register_pose(TaskCatalog& catalog) {
  catalog.add(
      "pose", "keypoints of objects in their boxes, by heat maps", PoseConfig{},
      [](const PoseConfig& config, const TaskContext& context) { return std::make_unique<Pose>(config, context); });
}

}  // namespace hadal
