#include "hadal/tasks/series/classify_series.h"

#include "hadal/core/format.h"
#include "hadal/tasks/class_judge.h"

namespace hadal {
namespace {

struct Batch {
  Tensor series, labels;  // (B, C, L), (B) int64
  auto tensors() { return std::tie(series, labels); }
};

class ClassifySeries : public Task {
 public:
  ClassifySeries(const ClassifySeriesConfig& config, const TaskContext& context)
      : config_(config), context_(context), learned_(LearnedClasses::from(context.learned)) {
    source_ = sound_sources().make(config_.data);
    config_.data = sound_sources().resolve(config_.data);
    if (config_.names.empty()) config_.names = learned_.names;
    sounds_ = source_.open(context.learns ? std::vector<std::string>{} : learned_.labels, {});
    const auto& labels = sounds_->classes();
    if (context.learns && labels.size() == 1)
      fail("[classify_series] all recordings are \"{}\"; two classes at least are needed", labels[0]);
    if (config_.names.empty()) config_.names = labels;
    require(config_.names.size() == labels.size(), "names lists {} classes and the data has {}", config_.names.size(),
            labels.size());
    learned_ = {config_.names, labels};
    made_ = std::make_unique<TrainedSoundClassifier>(config_, write_config(learned_), context_);
    static_cast<SoundClassifierConfig&>(config_) = made_->config();
    if (context.learns) make_loader();
  }

  nn::Module& model() override { return made_->model(); }
  Table settings() const override { return write_config(config_); }
  Table learned() const override { return write_config(learned_); }
  Batches& batches() override { return *batches_; }
  Losses losses(const Step&) override {
    const auto& batch = batches_->current();
    const auto logits = made_->model().forward(batch.series).to(torch::kFloat32);
    return {at::cross_entropy_loss(logits, batch.labels, {}, at::Reduction::Mean, -100, config_.label_smoothing), {}};
  }
  std::vector<std::string> splits() const override {
    std::vector<std::string> there;
    for (const auto* split : {"train", "val", "test"})
      if (sounds_->size(split) > 0) there.emplace_back(split);
    return there;
  }
  std::string goal() const override { return "accuracy"; }
  std::vector<Score> scores() const override { return ClassJudge::scores(std::ssize(config_.names)); }
  Metrics evaluate(const std::string& split, int64_t limit) override {
    judge_.emplace(config_.names);
    each_batch<Batch>(
        model(), scored_samples(sounds_->size(split), limit, context_.batch), context_,
        [&](const BatchPlan& plan) { return make_batch(split, plan, false); },
        [&](const Batch& batch) {
          judge_->add(made_->model().forward(batch.series).to(torch::kFloat32), batch.labels);
        });
    return judge_->metrics();
  }
  std::vector<Figure> figures() override {
    if (!judge_) return {};
    return {judge_->matrix()};
  }
  std::string summary() const override {
    return fmt::format("{}; {} training sounds", made_->summary(), format_count(sounds_->size("train")));
  }

 private:
  Batch make_batch(const std::string& split, const BatchPlan& plan, bool vary) const {
    std::vector<Tensor> series;
    auto labels = torch::empty({std::ssize(plan.indices)}, torch::kInt64);
    for (size_t i = 0; i < plan.indices.size(); ++i) {
      auto random = plan.sample(plan.indices[i]);
      const auto [features, label] = sounds_->get(split, plan.indices[i]);
      series.push_back(place_series(features, source_.length, config_.augment, vary ? &random : nullptr));
      labels[static_cast<int64_t>(i)] = label;
    }
    return {torch::stack(series), labels};
  }

  void make_loader() {
    if (!has_split("train")) fail_usage("the data has no sound for training: data.test and data.val take all of it");
    batches_.emplace(shuffled(sounds_->size("train"), context_.batch, context_.seed), context_.workers, context_.device,
                     [this](const BatchPlan& plan) { return make_batch("train", plan, true); });
  }

  ClassifySeriesConfig config_;
  TaskContext context_;
  LearnedClasses learned_;
  SoundsSource source_;
  std::shared_ptr<const Sounds> sounds_;
  std::unique_ptr<TrainedSoundClassifier> made_;
  std::optional<ClassJudge> judge_;  // of the last evaluation
  std::optional<LoadedBatches<Batch>> batches_;
};

}  // namespace

Fields<ClassifySeriesConfig> ClassifySeriesConfig::fields() {
  using C = ClassifySeriesConfig;
  return {SoundClassifierConfig::fields(),
          {{"augment", &C::augment, "how series are varied for training"},
           {"label_smoothing", &C::label_smoothing, "share of the target spread over all classes", from_below(0, 1)}}};
}

void register_classify_series(TaskCatalog& catalog) {
  catalog.add("classify_series", "classification of series: sounds by their spectrograms", ClassifySeriesConfig{},
              [](const ClassifySeriesConfig& config, const TaskContext& context) {
                return std::make_unique<ClassifySeries>(config, context);
              });
}

}  // namespace hadal
