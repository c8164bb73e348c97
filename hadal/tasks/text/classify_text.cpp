#include "hadal/tasks/text/classify_text.h"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "hadal/core/format.h"
#include "hadal/data/text/buckets.h"
#include "hadal/data/text/labelled_text.h"
#include "hadal/io/file.h"
#include "hadal/io/weights.h"
#include "hadal/metrics/classification.h"
#include "hadal/models/text/text_classifier.h"
#include "hadal/tasks/summary.h"
#include "hadal/tasks/text/text_inputs.h"

namespace hadal {
namespace {

using Ids = std::vector<int64_t>;

struct Batch {
  Tensor ids, lengths, labels;  // (B, T), (B), (B)
  auto tensors() { return std::tie(ids, lengths, labels); }
};

struct Encoded {
  std::vector<std::string> texts;  // where they are shown
  std::vector<Ids> ids;
  std::vector<int64_t> lengths, labels;
};

class ClassifyText : public Task {
 public:
  ClassifyText(const ClassifyTextConfig& config, const TaskContext& context) : config_(config), context_(context) {
    if (context.open_data) data_ = labelled_sources().make(config_.data);
    if (context.open_data && has_split("train") && (context.train_data || config_.names.empty())) training_texts();
    tokenizer_ = settle_tokenizer(config_.tokenizer, context_, [this] {
      if (!context_.open_data || !has_split("train"))
        fail("[classify_text] the weights know no tokenizer, and there is no training text to learn one from");
      return texts_to_learn(config_.tokenizer, data_.splits, [this](const std::string& split) {
        std::string text;
        for (const auto& line : (split == "train" ? training_texts() : data_.open(split)).texts)
          text.append(line).append("\n");
        return text;
      });
    });
    before_ = tokenizer_->special("[CLS]");
    behind_ = tokenizer_->special("[SEP]");
    settle_model();
    if (context.train_data && context.open_data) make_loader();
  }

  nn::Module& model() override { return *model_; }
  std::string head() const override { return model_->head(); }
  Table settings() const override { return write_config(config_); }
  std::map<std::string, std::string> metadata() const override {
    return {{"classes", nlohmann::json(config_.names).dump()},
            {"tokenizer", tokenizer_metadata(config_.tokenizer, *tokenizer_)}};
  }

  Batches& batches() override { return *batches_; }
  Losses losses(size_t) override {
    const auto& batch = batches_->current();
    const auto logits = model_->forward(batch.ids, batch.lengths).to(torch::kFloat32);
    return {at::cross_entropy_loss(logits, batch.labels, {}, at::Reduction::Mean, -100, config_.label_smoothing), {}};
  }

  std::vector<std::string> splits() const override { return data_.splits; }
  Goal goal() const override { return {"accuracy", true}; }
  Metrics evaluate(const std::string& split, int64_t limit) override;
  std::vector<std::string> metric_names() const override {
    return ClassificationScore::names_beside_loss(std::ssize(config_.names));
  }
  std::vector<Figure> figures() override {
    if (!score_) return {};
    std::vector<Figure> out;
    if (!mistakes_.items.empty()) out.emplace_back(mistakes_);
    out.push_back(MatrixFigure{"Confusion matrix", config_.names, score_->confusion()});
    return out;
  }
  int64_t predict(const PredictOptions& options, const std::function<void(const std::string&)>& line) override;

  std::string summary() const override {
    auto text = fmt::format("{}, {} tokens, {} classes", model_summary(config_.model.name, *model_),
                            format_count(tokenizer_->size()), config_.names.size());
    if (train_) text += fmt::format("; {} training texts", format_count(static_cast<int64_t>(train_->ids.size())));
    if (cut_ > 0) text += fmt::format(" ({} cut to {} tokens)", format_count(cut_), context_length_);
    return text;
  }

 private:
  const LabelledTexts& training_texts() {
    if (!training_) training_ = data_.open("train");
    return *training_;
  }

  /// Those of the weights in their order, where they know them; for training only where the data's are the same.
  std::vector<std::string> find_names() {
    auto known = context_.weights.empty() ? std::vector<std::string>{} : classes_of(context_.weights);
    if ((!context_.train_data && !known.empty()) || !training_) return known;
    std::set<std::string> names(training_->labels.begin(), training_->labels.end());
    if (data_.val_is_share)  // by chance a rare label may stand there alone
      for (const auto& label : data_.open("val").labels) names.insert(label);
    std::vector<std::string> sorted(names.begin(), names.end());
    return std::is_permutation(known.begin(), known.end(), sorted.begin(), sorted.end()) ? known : sorted;
  }

  void settle_model() {
    if (config_.names.empty()) config_.names = find_names();
    if (config_.names.empty()) fail("[classify_text] there is no training text to tell the classes from; set names=");
    if (config_.names.size() < 2)
      fail("[classify_text] {} \"{}\"; two classes at least are needed",
           context_.train_data ? "all labels are" : "the only class is", config_.names[0]);
    // A model that learned hidden words has a token more than its tokenizer.
    agree(config_.model, "vocabulary", std::max<int64_t>(1, tokenizer_->size()), "the tokenizer has", true);
    agree(config_.model, "classes", static_cast<int64_t>(config_.names.size()), "the classes are");
    config_.model = text_classifiers().resolve(config_.model);
    context_length_ = read_integer(*config_.model.settings.find("context"), "model.context", {});
    torch::manual_seed(context_.seed);
    model_ = text_classifiers().make(config_.model);
    if (!context_.weights.empty()) {
      LoadOptions options;
      if (context_.train_data) options.head = model_->may_begin_anew();
      auto weights = unwrapped(read_weights(context_.weights));
      check_own_settings(weights, config_.model, context_.train_data);
      if (auto about = about_beside(context_.weights)) model_->compare(*about), about->finish();
      weights.entries = model_->own_names(weights.entries);
      load_weights(*model_, weights, options);
    }
    model_->to(context_.device);
  }

  Ids encode(const std::string& text) {
    auto ids = tokenizer_->encode(text);
    const auto room = std::max<int64_t>(0, context_length_ - before_.has_value() - behind_.has_value());
    if (std::ssize(ids) > room) ids.resize(static_cast<size_t>(room)), ++cut_;
    if (before_) ids.insert(ids.begin(), *before_);
    if (behind_) ids.push_back(*behind_);
    if (ids.empty()) ids = {0};  // an empty text is a text too
    return ids;
  }

  Encoded encoded(const LabelledTexts& texts, const std::string& split) {
    Encoded made;
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto name = std::find(config_.names.begin(), config_.names.end(), texts.labels[i]);
      if (name == config_.names.end())
        fail("[classify_text] the {} text {} has the label \"{}\"{}; names= says what the data calls the classes",
             split, i + 1, texts.labels[i], suggest(texts.labels[i], config_.names));
      made.labels.push_back(name - config_.names.begin());
      made.ids.push_back(encode(texts.texts[i]));
      made.lengths.push_back(static_cast<int64_t>(made.ids.back().size()));
    }
    return made;
  }

  const Encoded& scored(const std::string& split) {
    if (!scored_.contains(split)) {
      auto texts = data_.open(split);
      auto made = encoded(texts, split);
      made.texts = std::move(texts.texts);
      scored_[split] = std::move(made);
    }
    return scored_[split];
  }

  void make_loader() {
    require_split("train");
    train_ = encoded(training_texts(), "train");
    training_.reset();
    const auto cut = cut_;
    for (const auto* split : {"val", "test"})  // what is wrong with them is said now, not after the training
      if (has_split(split)) scored(split);
    cut_ = cut;  // of the training texts
    buckets_ = std::make_unique<Buckets>(train_->lengths, config_.tokens, context_.seed);
    const Sampler sampler{.size = buckets_->batches(), .batch = 1, .shuffle = true, .seed = context_.seed};
    batches_.emplace(sampler, context_.workers, context_.device, [this](const BatchPlan& plan) {
      return make_batch(*train_, buckets_->batch(plan.epoch, plan.indices.at(0)));
    });
  }

  static Batch make_batch(const Encoded& data, const std::vector<int64_t>& indices) {
    std::vector<Ids> rows;
    Ids lengths, labels;
    for (const auto index : indices) {
      const auto i = static_cast<size_t>(index);
      rows.push_back(data.ids[i]);
      lengths.push_back(data.lengths[i]);
      labels.push_back(data.labels[i]);
    }
    return {padded(rows, 0), torch::tensor(lengths, torch::kInt64), torch::tensor(labels, torch::kInt64)};
  }

  ClassifyTextConfig config_;
  TaskContext context_;
  LabelledSource data_;
  std::optional<LabelledTexts> training_;  // until they are encoded
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::optional<int64_t> before_, behind_;  // BERT's tokens around a text, where the tokenizer has them
  std::shared_ptr<TextClassifier> model_;
  int64_t context_length_ = 0, cut_ = 0;
  std::optional<Encoded> train_;
  std::map<std::string, Encoded> scored_;
  std::unique_ptr<Buckets> buckets_;
  std::optional<ClassificationScore> score_;  // of the last evaluation
  TextFigure mistakes_;
  std::optional<LoadedBatches<Batch>> batches_;
};

Metrics ClassifyText::evaluate(const std::string& split, int64_t limit) {
  const torch::NoGradGuard no_grad;
  model_->eval();
  const auto& data = scored(split);
  const auto indices = scored_samples(std::ssize(data.lengths), limit, 1).order(0);
  Ids lengths;
  for (const auto index : indices) lengths.push_back(data.lengths[static_cast<size_t>(index)]);
  const Buckets buckets(lengths, config_.tokens, 0);
  score_.emplace(static_cast<int64_t>(config_.names.size()));
  mistakes_ = {"Mistakes", {}};
  constexpr size_t kShown = 24;
  Mean loss;
  for (int64_t i = 0; i < buckets.batches(); ++i) {
    auto members = buckets.batch(0, i);
    for (auto& member : members) member = indices[static_cast<size_t>(member)];
    const auto batch = moved(make_batch(data, members), context_.device);
    const auto logits = model_->forward(batch.ids, batch.lengths).to(torch::kFloat32);
    const auto said = logits.argmax(1).cpu();
    for (size_t row = 0; row < members.size() && mistakes_.items.size() < kShown; ++row) {
      const auto label = data.labels[static_cast<size_t>(members[row])],
                 answer = said[static_cast<int64_t>(row)].item<int64_t>();
      if (label != answer)
        mistakes_.items.push_back({fmt::format("{}, said {}", config_.names[label], config_.names[answer]),
                                   data.texts[static_cast<size_t>(members[row])]});
    }
    loss.add(at::cross_entropy_loss(logits, batch.labels).item<double>(), static_cast<double>(batch.labels.size(0)));
    score_->add(logits, batch.labels);
  }
  Metrics metrics = {{"loss", loss.value()}};
  for (auto& item : score_->metrics()) metrics.push_back(std::move(item));
  return metrics;
}

int64_t ClassifyText::predict(const PredictOptions& options, const std::function<void(const std::string&)>& line) {
  const torch::NoGradGuard no_grad;
  model_->eval();
  Predictions predictions(options, line);
  std::vector<Ids> ids;
  const auto inputs = readable(texts_to_predict(options, predictions), predictions,
                               [&](const NamedText& input) { ids.push_back(encode(input.text)); });
  const auto step = static_cast<size_t>(context_.batch);
  for (size_t begin = 0; begin < inputs.size(); begin += step) {
    const auto end = std::min(inputs.size(), begin + step);
    const auto rows = std::span(ids).subspan(begin, end - begin);
    Ids lengths;
    for (const auto& row : rows) lengths.push_back(static_cast<int64_t>(row.size()));
    const auto logits =
        model_->forward(padded(rows, 0).to(context_.device), torch::tensor(lengths, torch::kInt64).to(context_.device));
    const auto probabilities = logits.to(torch::kFloat32).softmax(1).cpu();
    for (auto i = begin; i < end; ++i)
      predictions.add(
          {{"input", inputs[i].name},
           {"text", inputs[i].text},
           {"top", top_classes(probabilities[static_cast<int64_t>(i - begin)], config_.names, options.top)}});
  }
  return finish_texts(predictions, options);
}

}  // namespace

Fields<ClassifyTextConfig> ClassifyTextConfig::fields() {
  using C = ClassifyTextConfig;
  return {{"model", &C::model, "the network", text_classifiers().kinds()},
          {"data", &C::data, "where texts and labels come from", labelled_sources().kinds("kind")},
          {"tokenizer", &C::tokenizer, "how texts become tokens", tokenizers().kinds()},
          {"names", &C::names, "class names, in the order of the logits (default: the training labels, sorted)"},
          {"label_smoothing", &C::label_smoothing, "share of the target spread over all classes", from_below(0, 1)},
          {"tokens", &C::tokens, "tokens a training batch has at most, padding too", at_least(1)}};
}

void register_classify_text(TaskCatalog& catalog) {
  catalog.add("classify_text", "text classification", ClassifyTextConfig{},
              [](const ClassifyTextConfig& config, const TaskContext& context) {
                return std::make_unique<ClassifyText>(config, context);
              });
}

}  // namespace hadal
