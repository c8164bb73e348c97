#include "hadal/tasks/vision/classify.h"

#include <algorithm>
#include <map>

#include "hadal/core/format.h"
#include "hadal/data/vision/mix.h"
#include "hadal/data/vision/sources.h"
#include "hadal/nn/init.h"
#include "hadal/tasks/class_judge.h"

namespace hadal {
namespace {

struct Batch {
  Tensor pixels;   // (B, C, S, S) float32, normalised
  Tensor labels;   // (B) int64
  Tensor targets;  // (B, classes) float32 where pictures were mixed; else undefined
  auto tensors() { return std::tie(pixels, labels, targets); }
};

class Classify : public Task {
 public:
  Classify(const ClassifyConfig& config, const TaskContext& context)
      : config_(config), context_(context), learned_(LearnedClasses::from(context.learned)) {
    if (config_.names.empty()) config_.names = learned_.names;
    open_data();
    made_ = std::make_unique<TrainedClassifier>(config_, write_config(learned_), context_);
    static_cast<ClassifierConfig&>(config_) = made_->config();
    if (context.learns) make_train_loader();
  }

  nn::Module& model() override { return made_->model(); }
  Table settings() const override { return write_config(config_); }
  Table learned() const override { return write_config(learned_); }

  Batches& batches() override { return *batches_; }
  Losses losses(const Step&) override {
    const auto& batch = batches_->current();
    const auto logits = made_->model().forward(batch.pixels).to(torch::kFloat32);
    const auto& target = batch.targets.defined() ? batch.targets : batch.labels;
    return {at::cross_entropy_loss(logits, target, {}, at::Reduction::Mean, -100, config_.label_smoothing), {}};
  }

  std::vector<std::string> splits() const override { return source_.splits; }
  std::string goal() const override { return "accuracy"; }
  std::vector<Score> scores() const override { return ClassJudge::scores(std::ssize(config_.names)); }
  Metrics evaluate(const std::string& split, int64_t limit) override;
  std::vector<Figure> figures() override;
  std::string summary() const override {
    auto text = made_->summary();
    if (context_.learns) text += fmt::format("; {} training pictures", format_count(train_->size()));
    if (!source_.remark.empty()) text += "; " + source_.remark;
    return text;
  }

 private:
  /// Opens the data and lets it settle what the recipe leaves open: classes, channels, the side of pictures.
  void open_data() {
    source_ = classification_sources().make(config_.data);
    config_.data = classification_sources().resolve(config_.data);
    if (!source_.divided && (context_.learns || trained_on_this_data())) source_.splits = {"train"};
    // What is only scored may lack the training split.
    const auto data = open(context_.learns && has_split("train") ? "train" : source_.splits.back());
    if (config_.names.empty()) config_.names = data->classes();
    auto& settings = config_.model.settings;
    if (classifiers().at(config_.model.name).schema.find("channels")) {
      if (!settings.find("channels")) settings.set("channels", data->channels());
      const auto given = *model_setting(config_.model, "channels");
      require(given == data->channels(), "model.channels is {} and the data has {} channels", given, data->channels());
    }
    if (!context_.learns) return;
    require_split("train");
    train_ = data;
    if (data->classes().size() < 2)
      fail_usage("training wants two classes or more; the data has one, \"{}\", with {}", data->classes().at(0),
                 data->name(0));
    if (config_.names.size() != data->classes().size())
      fail_usage("names lists {} classes and the data has {}", config_.names.size(), data->classes().size());
    learned_ = {config_.names, data->classes()};
    if (config_.augment.size == 0 && data->size() > 0 && !model_setting(config_.model, "image"))
      config_.augment.size = usual_side(data->get(0).image);
  }

  /// Small pictures as they are; larger ones as the model's published weights want them, for photographs come in all
  /// sizes.
  int64_t usual_side(const Tensor& first) const {
    const WithoutInit shape_alone;
    const auto published = classifiers().make(config_.model)->published_size().size;
    return published > 0 ? std::min(first.size(0), published) : first.size(0);
  }

  /// Whether the weights say that they come from these very pictures, so that none of them are new to the model.
  bool trained_on_this_data() const {
    if (!context_.weights) return false;
    const auto whole = [](const std::string& path) {
      return path.starts_with('$') ? path : std::filesystem::absolute(path).lexically_normal().string();
    };
    const auto* theirs = context_.weights->recipe.find_path("data.path");
    const auto* ours = config_.data.settings.find("path");
    return theirs && ours && whole(read_text(*theirs, "", {})) == whole(read_text(*ours, "", {}));
  }

  std::shared_ptr<ClassificationData> open(const std::string& split) {
    auto& data = opened_[split];
    if (!data) data = source_.open(split);
    return data;
  }

  /// `classes` says which of the model's each of the data's is.
  Batch make_batch(const ClassificationData& data, const std::vector<int64_t>& classes,
                   const ClassificationTransform& transform, const BatchPlan& plan) const {
    const auto count = std::ssize(plan.indices), side = config_.augment.size, channels = made_->channels();
    Batch batch{torch::empty({count, channels, side, side}), torch::empty({count}, torch::kInt64), {}};
    auto* pixels = batch.pixels.mutable_data_ptr<float>();
    auto* labels = batch.labels.mutable_data_ptr<int64_t>();
    for (int64_t i = 0; i < count; ++i) {
      const auto index = plan.indices[i];
      auto random = plan.sample(index);
      const auto sample = data.get(index);
      labels[i] = classes.at(sample.label);
      transform(sample.image, random, pixels + i * channels * side * side);
    }
    return batch;
  }

  void make_train_loader() {
    train_transform_ = std::make_unique<ClassificationTransform>(config_.augment, made_->channels(), true);
    const auto classes = match_classes(train_->classes(), config_.names, learned_);
    batches_.emplace(shuffled(train_->size(), context_.batch, context_.seed), context_.workers, context_.device,
                     [this, classes](const BatchPlan& plan) {
                       auto batch = make_batch(*train_, classes, *train_transform_, plan);
                       auto random = plan.whole();
                       mix_batch(config_.augment, batch.pixels, batch.labels, batch.targets, std::ssize(config_.names),
                                 random);
                       batch.pixels = made_->laid_out(batch.pixels);
                       return batch;
                     });
  }

  ClassifyConfig config_;
  TaskContext context_;
  LearnedClasses learned_;
  ClassificationSource source_;
  std::map<std::string, std::shared_ptr<ClassificationData>> opened_;
  std::shared_ptr<ClassificationData> train_;
  std::unique_ptr<TrainedClassifier> made_;
  std::unique_ptr<ClassificationTransform> train_transform_;
  // Of the last evaluation.
  std::shared_ptr<ClassificationData> judged_;
  std::vector<int64_t> indices_;
  std::optional<ClassJudge> judge_;
  std::optional<LoadedBatches<Batch>> batches_;
};

Metrics Classify::evaluate(const std::string& split, int64_t limit) {
  judged_ = open(split);
  const auto classes = match_classes(judged_->classes(), config_.names, learned_);
  const auto scored = scored_samples(judged_->size(), limit, context_.batch);
  indices_ = scored.order(0);
  judge_.emplace(config_.names);
  each_batch<Batch>(
      model(), scored, context_,
      [&](const BatchPlan& plan) {
        auto batch = make_batch(*judged_, classes, made_->transform(), plan);
        batch.pixels = made_->laid_out(batch.pixels);
        return batch;
      },
      [&](const Batch& batch) { judge_->add(made_->model().forward(batch.pixels).to(torch::kFloat32), batch.labels); });
  return judge_->metrics();
}

std::vector<Figure> Classify::figures() {
  if (!judge_) return {};
  const auto grid = [&](const char* title, const std::vector<int64_t>& places) {
    PictureGrid made{title, {}};
    for (const auto place : places)
      made.items.push_back({judged_->get(indices_[place]).image.clone(), judge_->caption(place), judge_->right(place)});
    return made;
  };
  std::vector<Figure> out = {grid("Samples", judge_->some(context_.seed))};
  if (const auto wrong = judge_->mistakes(); !wrong.empty()) out.push_back(grid("Most confident mistakes", wrong));
  out.push_back(judge_->matrix());
  return out;
}

}  // namespace

Fields<ClassifyConfig> ClassifyConfig::fields() {
  using C = ClassifyConfig;
  return {ClassifierConfig::fields(),
          {{"data", &C::data, "where pictures and labels come from", classification_sources().kinds("kind")},
           {"label_smoothing", &C::label_smoothing, "share of the target spread over all classes", from_below(0, 1)}}};
}

void register_classify(TaskCatalog& catalog) {
  catalog.add("classify", "image classification", ClassifyConfig{},
              [](const ClassifyConfig& config, const TaskContext& context) {
                return std::make_unique<Classify>(config, context);
              });
}

}  // namespace hadal
