#include "hadal/tasks/vision/classify.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "hadal/core/format.h"
#include "hadal/data/vision/mix.h"
#include "hadal/data/vision/sources.h"
#include "hadal/io/weights.h"
#include "hadal/metrics/classification.h"
#include "hadal/models/vision/classifier.h"
#include "hadal/tasks/summary.h"
#include "hadal/tasks/vision/classify_labels.h"
#include "hadal/tasks/vision/classify_predict.h"

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
  Classify(const ClassifyConfig& config, const TaskContext& context) : config_(config), context_(context) {
    if (!context.train_data && !context.weights.empty())
      learned_ = learned_classes(read_weights(context.weights).metadata);
    if (config_.names.empty()) config_.names = learned_.names;
    if (context.open_data) open_data();
    settle_model();
    transform_ = std::make_unique<ClassificationTransform>(config_.augment, channels_, false);
    if (context.train_data && context.open_data) make_train_loader();
  }

  nn::Module& model() override { return *model_; }
  std::string head() const override { return model_->head(); }
  Table settings() const override { return write_config(config_); }
  std::map<std::string, std::string> metadata() const override {
    return {{"classes", nlohmann::json(config_.names).dump()}, {"labels", nlohmann::json(learned_.labels).dump()}};
  }

  Batches& batches() override { return *batches_; }
  Losses losses(size_t) override {
    const auto& batch = batches_->current();
    const auto logits = model_->forward(batch.pixels).to(torch::kFloat32);
    const auto& target = batch.targets.defined() ? batch.targets : batch.labels;
    return {at::cross_entropy_loss(logits, target, {}, at::Reduction::Mean, -100, config_.label_smoothing), {}};
  }

  std::vector<std::string> splits() const override { return source_.splits; }
  Goal goal() const override { return {"accuracy", true}; }
  Metrics evaluate(const std::string& split, int64_t limit) override;
  std::vector<std::string> metric_names() const override {
    return ClassificationScore::names_beside_loss(std::ssize(config_.names));
  }
  std::vector<Figure> figures() override;

  std::string summary() const override {
    auto text = fmt::format("{}, {} classes, {}x{} pixels", model_summary(config_.model.name, *model_),
                            config_.names.size(), config_.augment.size, config_.augment.size);
    if (config_.augment.resize > config_.augment.size)
      text += fmt::format(" of a shorter side of {}", config_.augment.resize);
    if (train_) text += fmt::format("; {} training pictures", format_count(train_->size()));
    if (!source_.remark.empty()) text += "; " + source_.remark;
    return text;
  }
  int64_t predict(const PredictOptions& options, const std::function<void(const std::string&)>& line) override {
    require(options.texts.empty(), "text= is for models that read texts; this one wants pictures");
    model_->eval();
    return predict_classes({*model_, *transform_, config_.names, channels_, context_.batch, context_.device}, options,
                           line);
  }

 private:
  void open_data() {
    source_ = classification_sources().make(config_.data);
    config_.data = classification_sources().resolve(config_.data);
    if (!source_.divided && (context_.train_data || trained_on_this_data())) source_.splits = {"train"};
    // What is only scored may lack the training split.
    const auto data = open(context_.train_data && has_split("train") ? "train" : source_.splits.back());
    channels_ = data->channels();
    if (config_.names.empty()) config_.names = data->classes();
    if (!context_.train_data) return;
    train_ = data;
    if (data->classes().size() < 2)
      fail_usage("training wants two classes or more; the data has one, \"{}\", with {}", data->classes().at(0),
                 data->name(0));
    if (config_.names.size() != data->classes().size())
      fail_usage("names lists {} classes and the data has {}", config_.names.size(), data->classes().size());
    learned_ = {config_.names, data->classes()};
    if (config_.augment.size == 0 && data->size() > 0 && !model_setting("image")) {
      const auto image = data->get(0).image;
      config_.augment.size = image.size(0);
    }
  }

  /// Whether the weights say that they come from these very pictures, so that none of them are new to the model.
  bool trained_on_this_data() const {
    if (context_.weights.empty()) return false;
    const auto metadata = read_weights(context_.weights).metadata;
    const auto config = metadata.find("config");
    if (config == metadata.end()) return false;
    const auto whole = [](const std::string& path) {
      return path.starts_with('$') ? path : std::filesystem::absolute(path).lexically_normal().string();
    };
    try {
      const auto table = parse_toml(config->second, context_.weights.string());
      const auto *theirs = table.find_path("data.path"), *ours = config_.data.settings.find("path");
      return theirs && ours && whole(read_text(*theirs, "", {})) == whole(read_text(*ours, "", {}));
    } catch (const UsageError&) {
      return false;  // a config that is none of ours
    }
  }

  std::shared_ptr<ClassificationData> open(const std::string& split) {
    auto& data = opened_[split];
    if (!data) data = source_.open(split);
    return data;
  }

  /// A whole-number setting of the model, given or its preset's; nothing where it has no such setting. Not through the
  /// catalog, which would check a config that is not complete yet.
  std::optional<int64_t> model_setting(const std::string& key) const {
    const auto& item = classifiers().at(config_.model.name);
    const auto* field = item.schema.find(key);
    if (!field) return std::nullopt;
    const auto* given = config_.model.settings.find(key);
    return read_integer(given ? *given : *item.schema.defaults().find(key), "model." + key, field->limit);
  }

  /// What model and data must agree on: classes, channels, side. What the recipe leaves open follows the data.
  void settle_model() {
    const bool as_published = config_.augment.size == 0 && !context_.train_data;
    const auto& item = classifiers().at(config_.model.name);
    const auto agree = [&](const char* key, int64_t value, const char* what) {
      if (value <= 0 || !item.schema.find(key)) return;
      if (!config_.model.settings.find(key)) return config_.model.settings.set(key, value);
      const auto given = *model_setting(key);
      require(given == value, "model.{} is {} and the data has {} {}", key, given, value, what);
    };
    agree("classes", static_cast<int64_t>(config_.names.size()), "classes");
    if (context_.open_data) agree("channels", channels_, "channels");
    if (const auto size = model_setting("image")) {
      if (config_.augment.size == 0) config_.augment.size = *size;
      agree("image", config_.augment.size, "pixels a side after augment.size");
    }
    config_.model = classifiers().resolve(config_.model);
    channels_ = model_setting("channels").value_or(channels_);
    for (auto label = static_cast<int64_t>(config_.names.size()); label < model_setting("classes").value_or(0); ++label)
      config_.names.push_back(fmt::format("{}", label));
    torch::manual_seed(context_.seed);
    model_ = classifiers().make(config_.model);
    if (as_published) {
      const auto [size, resize] = model_->published_size();
      if (config_.augment.size == 0) config_.augment.size = size;
      if (config_.augment.resize == 0) config_.augment.resize = resize;
    }
    require(config_.augment.size > 0, "say how large pictures are: size=224");
    if (!context_.weights.empty()) {
      LoadOptions options;
      if (context_.train_data) options.head = {model_->head()};  // fine-tuning may change the classes; scoring may not
      auto weights = unwrapped(read_weights(context_.weights));
      weights.entries = model_->own_names(weights.entries);
      load_weights(*model_, weights, options);
    }
    model_->to(context_.device);
    if (context_.channels_last)
      for (auto& parameter : model_->parameters())
        if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }

  /// `classes` says which of the model's each of the data's is.
  Batch make_batch(const ClassificationData& data, const std::vector<int64_t>& classes,
                   const ClassificationTransform& transform, const BatchPlan& plan) const {
    const auto count = static_cast<int64_t>(plan.indices.size()), side = config_.augment.size;
    Batch batch{torch::empty({count, channels_, side, side}), torch::empty({count}, torch::kInt64), {}};
    auto* pixels = batch.pixels.mutable_data_ptr<float>();
    auto* labels = batch.labels.mutable_data_ptr<int64_t>();
    for (int64_t i = 0; i < count; ++i) {
      const auto index = plan.indices[i];
      auto random = plan.sample(index);
      const auto sample = data.get(index);
      labels[i] = classes.at(sample.label);
      transform(sample.image, random, pixels + i * channels_ * side * side);
    }
    return batch;
  }

  void make_train_loader() {
    require_split("train");
    train_ = open("train");
    train_transform_ = std::make_unique<ClassificationTransform>(config_.augment, channels_, true);
    const auto classes = match_classes(train_->classes(), config_.names, learned_);
    batches_.emplace(shuffled(train_->size(), context_.batch, context_.seed), context_.workers, context_.device,
                     [this, classes](const BatchPlan& plan) {
                       auto batch = make_batch(*train_, classes, *train_transform_, plan);
                       auto random = plan.whole();
                       mix_batch(config_.augment, batch.pixels, batch.labels, batch.targets,
                                 static_cast<int64_t>(config_.names.size()), random);
                       return laid_out(std::move(batch));
                     });
  }

  Batch laid_out(Batch batch) const {
    if (context_.channels_last) batch.pixels = batch.pixels.contiguous(at::MemoryFormat::ChannelsLast);
    return batch;
  }

  /// How the last evaluation went, sample by sample.
  struct Judged {
    std::shared_ptr<ClassificationData> data;
    std::vector<int64_t> indices, labels, predictions;
    std::vector<float> confidence;
    std::optional<ClassificationScore> score;
  };

  ClassifyConfig config_;
  TaskContext context_;
  LearnedClasses learned_;
  ClassificationSource source_;
  std::map<std::string, std::shared_ptr<ClassificationData>> opened_;
  std::shared_ptr<ClassificationData> train_;
  int64_t channels_ = 3;
  std::shared_ptr<ImageClassifier> model_;
  std::unique_ptr<ClassificationTransform> transform_, train_transform_;
  Judged judged_;
  std::optional<LoadedBatches<Batch>> batches_;
};

Metrics Classify::evaluate(const std::string& split, int64_t limit) {
  torch::NoGradGuard no_grad;
  const auto data = open(split);
  const auto classes = match_classes(data->classes(), config_.names, learned_);
  model_->eval();
  const auto scored = scored_samples(data->size(), limit, context_.batch);
  Loader<Batch> loader(scored, context_.workers,
                       [&](const BatchPlan& plan) { return laid_out(make_batch(*data, classes, *transform_, plan)); });
  judged_ = {data, scored.order(0), {}, {}, {}, ClassificationScore(static_cast<int64_t>(config_.names.size()))};
  Mean loss;
  loader.start(0);
  while (auto made = loader.next()) {
    const auto batch = moved(*std::move(made), context_.device);
    const auto logits = model_->forward(batch.pixels).to(torch::kFloat32);
    loss.add(at::cross_entropy_loss(logits, batch.labels).item<double>(), static_cast<double>(batch.labels.size(0)));
    judged_.score->add(logits, batch.labels);
    const auto [confidence, prediction] = logits.softmax(1).max(1);
    const auto keep = [](auto& into, const Tensor& tensor) {
      using T = typename std::decay_t<decltype(into)>::value_type;
      const auto cpu = tensor.cpu().contiguous();
      into.insert(into.end(), cpu.template const_data_ptr<T>(), cpu.template const_data_ptr<T>() + cpu.numel());
    };
    keep(judged_.labels, batch.labels);
    keep(judged_.predictions, prediction);
    keep(judged_.confidence, confidence);
  }
  Metrics metrics = {{"loss", loss.value()}};
  for (auto& item : judged_.score->metrics()) metrics.push_back(std::move(item));
  return metrics;
}

std::vector<Figure> Classify::figures() {
  if (!judged_.data) return {};
  const auto grid = [&](const char* title, const std::vector<int64_t>& indices) {
    PictureGrid made{title, {}};
    for (const auto i : indices) {
      const auto& truth = config_.names.at(judged_.labels[i]);
      const auto& said = config_.names.at(judged_.predictions[i]);
      const bool good = judged_.labels[i] == judged_.predictions[i];
      made.items.push_back({judged_.data->get(judged_.indices[i]).image.clone(),
                            good ? fmt::format("{} {:.0f} %", said, judged_.confidence[i] * 100)
                                 : fmt::format("{}, said {} {:.0f} %", truth, said, judged_.confidence[i] * 100),
                            good});
    }
    return made;
  };
  const auto size = static_cast<int64_t>(judged_.labels.size());
  Random random(context_.seed, {4});
  auto some = permutation(size, random);
  some.resize(std::min<size_t>(some.size(), 24));
  std::vector<int64_t> wrong;
  for (int64_t i = 0; i < size; ++i)
    if (judged_.labels[i] != judged_.predictions[i]) wrong.push_back(i);
  std::stable_sort(wrong.begin(), wrong.end(),
                   [&](int64_t a, int64_t b) { return judged_.confidence[a] > judged_.confidence[b]; });
  wrong.resize(std::min<size_t>(wrong.size(), 24));
  std::vector<Figure> out = {grid("Samples", some)};
  if (!wrong.empty()) out.push_back(grid("Most confident mistakes", wrong));
  out.push_back(MatrixFigure{"Confusion matrix", config_.names, judged_.score->confusion()});
  return out;
}

}  // namespace

Fields<ClassifyConfig> ClassifyConfig::fields() {
  using C = ClassifyConfig;
  return {{"model", &C::model, "the network", classifiers().kinds()},
          {"data", &C::data, "where pictures and labels come from", classification_sources().kinds("kind")},
          {"augment", &C::augment, "how pictures are prepared and varied"},
          {"names", &C::names, "class names, in the order of the labels (default: the data's)"},
          {"label_smoothing", &C::label_smoothing, "share of the target spread over all classes", from_below(0, 1)}};
}

void ClassifyConfig::validate() const { validate_config(augment); }

void register_classify(TaskCatalog& catalog) {
  catalog.add("classify", "image classification", ClassifyConfig{},
              [](const ClassifyConfig& config, const TaskContext& context) {
                return std::make_unique<Classify>(config, context);
              });
}

}  // namespace hadal
