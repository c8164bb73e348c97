#include "hadal/tasks/series/classify_series.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "hadal/core/format.h"
#include "hadal/data/path.h"
#include "hadal/io/file.h"
#include "hadal/io/weights.h"
#include "hadal/metrics/classification.h"
#include "hadal/models/forecast/series_classifier.h"
#include "hadal/tasks/predictions.h"
#include "hadal/tasks/summary.h"

namespace hadal {
namespace {

struct SoundsSource {
  SoundsConfig config;
  std::shared_ptr<const Sounds> open(const std::vector<std::string>& labels) const {
    return std::make_shared<Sounds>(FileTree(data_path(config.path)), config, labels);
  }
};

using SourceCatalog = Catalog<SoundsSource>;
const SourceCatalog& sources() {
  static const auto catalog = [] {
    SourceCatalog made("kind of data", "data");
    made.add("sounds", "sounds called LABEL_..._INDEX.wav, as spectrograms", SoundsConfig{},
             [](const SoundsConfig& config) { return SoundsSource{config}; });
    return made;
  }();
  return catalog;
}

struct Batch {
  Tensor series, labels;  // (B, C, L), (B) int64
  auto tensors() { return std::tie(series, labels); }
};

class ClassifySeries : public Task {
 public:
  ClassifySeries(const ClassifySeriesConfig& config, const TaskContext& context)
      : config_(config), context_(context), source_(sources().make(config.data)) {
    config_.data = sources().resolve(config_.data);
    if (context.open_data) {
      sounds_ = source_.open(learned_labels());
      labels_ = sounds_->classes();
      if (config_.names.empty()) config_.names = labels_;
      require(config_.names.size() == labels_.size(), "names lists {} classes and the data has {}",
              config_.names.size(), labels_.size());
    }
    if (context.train_data && labels_.size() == 1)
      fail("[classify_series] all recordings are \"{}\"; two classes at least are needed", labels_[0]);
    require(!config_.names.empty(), "say which classes there are: names=a,b,c");
    torch::manual_seed(context.seed);
    config_.model = series_classifiers().resolve(config_.model);
    model_ = series_classifiers().make(
        config_.model,
        {.channels = source_.config.mel.bands, .length = source_.config.length, .classes = std::ssize(config_.names)});
    if (!context.weights.empty()) {
      LoadOptions options;
      if (context.train_data) options.head = {head()};
      load_weights(*model_, context.weights, options);
    }
    model_->to(context.device);
    if (context.open_data && context.train_data) make_loader();
  }

  nn::Module& model() override { return *model_; }
  std::string head() const override { return "head"; }
  Table settings() const override { return write_config(config_); }
  std::map<std::string, std::string> metadata() const override {
    return {{"classes", nlohmann::json(config_.names).dump()}, {"labels", nlohmann::json(labels_).dump()}};
  }
  Batches& batches() override { return *batches_; }
  Losses losses(size_t) override {
    const auto& batch = batches_->current();
    const auto logits = model_->forward(batch.series).to(torch::kFloat32);
    return {at::cross_entropy_loss(logits, batch.labels, {}, at::Reduction::Mean, -100, config_.label_smoothing), {}};
  }
  std::vector<std::string> splits() const override {
    std::vector<std::string> there;
    for (const auto* split : {"train", "val", "test"})
      if (sounds_ && sounds_->size(split) > 0) there.emplace_back(split);
    return there;
  }
  Goal goal() const override { return {"accuracy", true}; }
  Metrics evaluate(const std::string& split, int64_t limit) override;
  std::vector<std::string> metric_names() const override {
    return ClassificationScore::names_beside_loss(std::ssize(config_.names));
  }
  std::vector<Figure> figures() override {
    if (!confusion_.defined()) return {};
    return {MatrixFigure{"Confusion matrix", config_.names, confusion_}};
  }
  std::string summary() const override {
    return fmt::format("{}, {} classes, {} channels of {} steps; {} training sounds",
                       model_summary(config_.model.name, *model_), config_.names.size(), source_.config.mel.bands,
                       source_.config.length, format_count(sounds_ ? sounds_->size("train") : 0));
  }
  int64_t predict(const PredictOptions& options, const std::function<void(const std::string&)>& line) override;

 private:
  /// What files call the classes that the weights tell apart, in their order; empty when they are to be learned.
  std::vector<std::string> learned_labels() const {
    if (context_.train_data || context_.weights.empty()) return {};
    const auto metadata = read_weights(context_.weights).metadata;
    for (const auto* key : {"labels", "classes"}) {
      const auto found = metadata.find(key);
      if (found == metadata.end()) continue;
      try {
        return nlohmann::json::parse(found->second).get<std::vector<std::string>>();
      } catch (const nlohmann::json::exception& error) {
        fail("the weights' \"{}\" are damaged: {}", key, error.what());
      }
    }
    return config_.names;
  }

  Batch make_batch(const std::string& split, const BatchPlan& plan, bool vary) const {
    std::vector<Tensor> series;
    auto labels = torch::empty({std::ssize(plan.indices)}, torch::kInt64);
    for (size_t i = 0; i < plan.indices.size(); ++i) {
      auto random = plan.sample(plan.indices[i]);
      const auto [features, label] = sounds_->get(split, plan.indices[i]);
      series.push_back(place_series(features, source_.config.length, config_.augment, vary ? &random : nullptr));
      labels[static_cast<int64_t>(i)] = label;
    }
    return {torch::stack(series), labels};
  }

  void make_loader() {
    if (!has_split("train"))
      fail_usage("the data has no sound for training: every index is below data.test + data.val");
    batches_.emplace(shuffled(sounds_->size("train"), context_.batch, context_.seed), context_.workers, context_.device,
                     [this](const BatchPlan& plan) { return make_batch("train", plan, true); });
  }

  ClassifySeriesConfig config_;
  TaskContext context_;
  SoundsSource source_;
  std::shared_ptr<const Sounds> sounds_;
  std::vector<std::string> labels_;  // what files call the classes
  SeriesClassifier model_{nullptr};
  Tensor confusion_;
  std::optional<LoadedBatches<Batch>> batches_;
};

Metrics ClassifySeries::evaluate(const std::string& split, int64_t limit) {
  torch::NoGradGuard no_grad;
  model_->eval();
  Loader<Batch> loader(scored_samples(sounds_->size(split), limit, context_.batch), context_.workers,
                       [&](const BatchPlan& plan) { return make_batch(split, plan, false); });
  ClassificationScore score(std::ssize(config_.names));
  Mean loss;
  loader.start(0);
  while (auto batch = loader.next()) {
    const auto logits = model_->forward(batch->series.to(context_.device)).to(torch::kFloat32).cpu();
    loss.add(at::cross_entropy_loss(logits, batch->labels).item<double>(), static_cast<double>(batch->labels.size(0)));
    score.add(logits, batch->labels);
  }
  confusion_ = score.confusion();
  Metrics metrics = {{"loss", loss.value()}};
  for (auto& item : score.metrics()) metrics.push_back(std::move(item));
  return metrics;
}

int64_t ClassifySeries::predict(const PredictOptions& options, const std::function<void(const std::string&)>& line) {
  require(options.texts.empty(), "text= is for models that read texts; this one wants sounds");
  torch::NoGradGuard no_grad;
  model_->eval();
  auto paths = options.inputs;
  if (options.limit > 0 && std::ssize(paths) > options.limit) paths.resize(static_cast<size_t>(options.limit));
  Predictions predictions(options, line);
  for (const auto& path : paths) try {
      const MappedFile file(path);
      const auto features = sound_features(file.bytes(), path, source_.config.mel);
      const auto x = place_series(features, source_.config.length, {}, nullptr).unsqueeze(0).to(context_.device);
      const auto probabilities = model_->forward(x).to(torch::kFloat32).softmax(1).cpu()[0];
      predictions.add({{"input", path}, {"top", top_classes(probabilities, config_.names, options.top)}});
    } catch (const Error& error) {
      predictions.fail(path, error.what());
    }
  return predictions.finish(paths.size(), "sounds could not be read");
}

}  // namespace

Fields<ClassifySeriesConfig> ClassifySeriesConfig::fields() {
  using C = ClassifySeriesConfig;
  return {{"model", &C::model, "the network", series_classifiers().kinds()},
          {"data", &C::data, "where series and labels come from", sources().kinds("kind")},
          {"augment", &C::augment, "how series are varied for training"},
          {"names", &C::names, "class names, in the order of the labels (default: the data's)"},
          {"label_smoothing", &C::label_smoothing, "share of the target spread over all classes", from_below(0, 1)}};
}

void register_classify_series(TaskCatalog& catalog) {
  catalog.add("classify_series", "classification of series: sounds by their spectrograms", ClassifySeriesConfig{},
              [](const ClassifySeriesConfig& config, const TaskContext& context) {
                return std::make_unique<ClassifySeries>(config, context);
              });
}

}  // namespace hadal
