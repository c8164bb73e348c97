#include "hadal/tasks/vision/detect.h"

#include <algorithm>
#include <map>

#include "hadal/core/format.h"
#include "hadal/data/vision/scenes/scene_batch.h"
#include "hadal/data/vision/scenes/scene_check.h"
#include "hadal/data/vision/scenes/sources.h"
#include "hadal/data/vision/scenes/tiles.h"
#include "hadal/io/file.h"
#include "hadal/models/detection/darknet.h"
#include "hadal/tasks/vision/detect_judge.h"

namespace hadal {
namespace {

struct SceneStep {
  SceneBatch made;
  auto tensors() {
    auto& t = made.targets;
    return std::tie(made.pixels, made.sizes, t.boxes, t.labels, t.owner, t.masks, t.keypoints);
  }
};

/// Whole pictures on their way into tiles: the detector cuts them, as it does for predict.
struct WholePicture {
  Tensor image;
  int64_t index = 0;
  auto tensors() { return std::tie(); }
};

class Detect : public Task {
 public:
  Detect(const DetectConfig& config, const TaskContext& context) : config_(config), context_(context) {
    open_data();
    learned_ = DetectorLearned::of(source_.about);
    made_ = std::make_unique<TrainedDetector>(config_, write_config(learned_), context_);
    static_cast<DetectorConfig&>(config_) = made_->config();
    check_model();
    scoring_ = transform(false);
    if (!context.learns) return;
    if (config_.tile > 0)
      train_ = std::make_shared<TiledScenes>(train_, config_.tile, config_.overlap,
                                             TileShares{.empty = config_.empty_tiles, .seed = context_.seed});
    weigh_classes();
    make_train_loader();
  }

  nn::Module& model() override { return made_->model(); }
  Table settings() const override { return write_config(config_); }
  Table learned() const override { return write_config(learned_); }

  Batches& batches() override { return *batches_; }
  Losses losses(const Step& step) override {
    const auto& batch = batches_->current().made;
    auto& model = made_->model();
    if (step.of > 0) model.progress(static_cast<double>(step.number) / static_cast<double>(step.of));
    Losses out;
    auto targets = batch.targets;
    targets.class_weights = class_weights_;
    for (const auto& [name, loss] : model.losses(batch.pixels, batch.sizes, targets)) {
      out.total = out.total.defined() ? out.total + loss : loss;
      out.parts.emplace_back(name, loss.item<double>());
    }
    return out;
  }

  std::vector<std::string> splits() const override { return source_.splits; }
  std::vector<Score> scores() const override { return DetectJudge::scores(made_->model()); }
  std::string goal() const override { return DetectJudge::goal(made_->model()); }
  Metrics evaluate(const std::string& split, int64_t limit) override;
  std::vector<Figure> figures() override { return judge_ ? judge_->figures() : std::vector<Figure>{}; }
  void write_beside(const std::filesystem::path& weights) override {
    const auto* darknet = dynamic_cast<const DarknetImpl*>(&made_->model());
    if (!darknet) return;
    save_darknet_weights(weights.string() + ".weights", *darknet);
    write_file(weights.string() + ".cfg", darknet->cfg(config_.size));
    write_file(weights.string() + ".names", fmt::format("{}\n", fmt::join(made_->about().classes, "\n")));
  }
  std::string summary() const override {
    auto text = made_->summary();
    if (train_)
      text += fmt::format("; {} training {}", format_count(train_->size()), config_.tile > 0 ? "tiles" : "pictures");
    return text + remark_;
  }

 private:
  void open_data() {
    source_ = scene_sources().make(config_.data);
    config_.data = scene_sources().resolve(config_.data);
    if (!source_.divided && context_.learns) source_.splits = {"train"};
    // What is only scored has the model's own classes; the data's are matched to them by name.
    const auto known = DetectorLearned::from(context_.learned).names;
    if (!context_.learns && !known.empty() && config_.names.empty()) config_.names = known;
    if (!config_.names.empty() && context_.learns)
      require(config_.names.size() == source_.about.classes.size(), "names lists {} classes and the data has {}",
              config_.names.size(), source_.about.classes.size());
    if (!context_.learns) return;
    require_split("train");
    if (!config_.names.empty()) source_.about.classes = config_.names;
    train_ = open("train");
    if (const auto report = quick_check(source_); report.errors() + report.warnings() > 0)
      remark_ = fmt::format("; {} errors and {} warnings in the labels: hadal check says which", report.errors(),
                            report.warnings());
    require(class_counts(*train_).sum().item<int64_t>() > 0, "no picture of the training split has an object");
  }

  /// Throws UsageError where the model learns what the data does not have.
  void check_model() const {
    const auto& model = made_->model();
    require(!model.has_masks() || source_.about.masks || !context_.learns,
            "model {} learns masks, and the data ({}) has none", config_.model.name, source_.kind);
    const auto points = std::ssize(source_.about.keypoints);
    require(model.keypoints() == 0 || model.keypoints() == points || !context_.learns,
            "model {} learns {} keypoints, and the data ({}) has {}", config_.model.name, model.keypoints(),
            source_.kind, points);
  }

  std::shared_ptr<SceneData> open(const std::string& split) {
    auto& data = opened_[split];
    if (!data) data = source_.open(split);
    return data;
  }

  std::unique_ptr<SceneTransform> transform(bool train) const {
    return std::make_unique<SceneTransform>(config_.augment, made_->preparation(), train, made_->model().has_masks(),
                                            config_.size);
  }

  void weigh_classes() {
    if (config_.class_weights == 0) return;
    require(source_.about.classes.size() > 1, "class_weights={} wants at least two classes, the data ({}) has one",
            config_.class_weights, source_.kind);
    class_weights_ = class_weights(class_counts(*train_), config_.class_weights).to(context_.device);
  }

  void make_train_loader() {
    augmenting_ = transform(true);
    for (const auto* split : {"val", "test"})  // what is wrong with them is said now, not after the training
      if (has_split(split)) open(split);
    auto sampler = shuffled(train_->size(), context_.batch, context_.seed);
    if (config_.balanced) sampler.weights = balanced_weights(*train_);
    batches_.emplace(sampler, context_.workers, context_.device, [this](const BatchPlan& plan) {
      SceneStep batch{(*augmenting_)(*train_, plan, plan.progress())};
      batch.made.pixels = made_->laid_out(batch.made.pixels);
      return batch;
    });
  }

  DetectConfig config_;
  TaskContext context_;
  SceneSource source_;
  DetectorLearned learned_;
  std::string remark_;  // of what is wrong with the labels
  std::map<std::string, std::shared_ptr<SceneData>> opened_;
  std::shared_ptr<SceneData> train_;
  Tensor class_weights_;  // undefined: none
  std::unique_ptr<TrainedDetector> made_;
  std::unique_ptr<SceneTransform> scoring_, augmenting_;
  std::optional<DetectJudge> judge_;  // of the last evaluation
  std::optional<LoadedBatches<SceneStep>> batches_;
};

Metrics Detect::evaluate(const std::string& split, int64_t limit) {
  const auto data = open(split);
  judge_.emplace(*made_, data, match_scene_classes(source_.about.classes, made_->about().classes));
  // Every object that might be right counts, however unsure: precision is measured along all recalls.
  auto options = made_->settled(config_.predict);
  options.conf = 0.001;
  options.multi_label = config_.multi_label;
  if (const auto cut = made_->cut_as_trained(config_.predict); cut.tile > 0) {
    each_batch<WholePicture>(
        model(), scored_samples(data->size(), limit, 1), context_,
        [&](const BatchPlan& plan) {
          return WholePicture{data->get(plan.indices[0], {.masks = false}).image, plan.indices[0]};
        },
        [&](const WholePicture& picture) {
          judge_->add(picture.index, made_->find({&picture.image, 1}, cut, options).at(0));
        });
    return judge_->metrics();
  }
  each_batch<SceneStep>(
      model(), scored_samples(data->size(), limit, context_.batch), context_,
      [&](const BatchPlan& plan) { return SceneStep{(*scoring_)(*data, plan)}; },
      [&](const SceneStep& batch) {
        const auto found = made_->find(batch.made.pixels, batch.made.sizes, batch.made.placements, options);
        for (size_t i = 0; i < found.size(); ++i) judge_->add(batch.made.indices[i], found[i]);
      });
  return judge_->metrics();
}

}  // namespace

Fields<DetectConfig> DetectConfig::fields() {
  using C = DetectConfig;
  return {DetectorConfig::fields(),
          {{"data", &C::data, "where pictures and their objects come from", scene_sources().kinds("kind")},
           {"augment", &C::augment, "how pictures are varied for training"},
           {"balanced", &C::balanced, "draw pictures with seldom classes more often"},
           {"class_weights", &C::class_weights,
            "the more seldom a class the more it counts in the loss: (mean count / count) to this power (0: all alike)",
            between(0, 1)},
           {"empty_tiles", &C::empty_tiles, "of tiles without objects, how many to learn from beside each with",
            at_least(0)},
           {"multi_label", &C::multi_label,
            "scores count a box of YOLO v5, v8 or 11 as each class that it may be, as ultralytics does"}}};
}

void register_detect(TaskCatalog& catalog) {
  catalog.add(
      "detect", "detection of objects, with masks and keypoints", DetectConfig{},
      [](const DetectConfig& config, const TaskContext& context) { return std::make_unique<Detect>(config, context); });
}

}  // namespace hadal
