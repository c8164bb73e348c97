#include "hadal/tasks/text/classify_text.h"

#include <algorithm>
#include <map>
#include <set>

#include "hadal/core/format.h"
#include "hadal/data/text/buckets.h"
#include "hadal/data/text/labelled_text.h"
#include "hadal/tasks/class_judge.h"
#include "hadal/trained/text/tokens.h"

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
    data_ = labelled_sources().make(config_.data);
    const auto known = known_before(context.learned, context.weights);
    if (has_split("train") && (context.learns || config_.names.empty())) training_texts();
    auto tokenizer = settle_tokenizer(config_.tokenizer, known, context.weights, [this] {
      if (!has_split("train"))
        fail("[classify_text] the weights know no tokenizer, and there is no training text to learn one from");
      return texts_to_learn(config_.tokenizer, data_.splits, [this](const std::string& split) {
        std::string text;
        for (const auto& line : (split == "train" ? training_texts() : data_.open(split)).texts)
          text.append(line).append("\n");
        return text;
      });
    });
    if (config_.names.empty()) config_.names = find_names(LearnedClasses::from(known).names);
    learned_ = learned_tokenizer(config_.tokenizer, *tokenizer);
    learned_.set("names", Setting<std::vector<std::string>>::write(config_.names));
    made_ = std::make_unique<TrainedTextClassifier>(config_, learned_, context_, std::move(tokenizer));
    static_cast<TextClassifierConfig&>(config_) = made_->config();
    if (context.learns) make_loader();
  }

  nn::Module& model() override { return made_->model(); }
  Table settings() const override { return write_config(config_); }
  Table learned() const override { return learned_; }

  Batches& batches() override { return *batches_; }
  Losses losses(const Step&) override {
    const auto& batch = batches_->current();
    const auto logits = made_->model().forward(batch.ids, batch.lengths).to(torch::kFloat32);
    return {at::cross_entropy_loss(logits, batch.labels, {}, at::Reduction::Mean, -100, config_.label_smoothing), {}};
  }

  std::vector<std::string> splits() const override { return data_.splits; }
  std::string goal() const override { return "accuracy"; }
  std::vector<Score> scores() const override { return ClassJudge::scores(std::ssize(config_.names)); }
  Metrics evaluate(const std::string& split, int64_t limit) override;
  std::vector<Figure> figures() override {
    if (!judge_) return {};
    std::vector<Figure> out;
    if (!mistakes_.items.empty()) out.emplace_back(mistakes_);
    out.push_back(judge_->matrix());
    return out;
  }

  std::string summary() const override {
    auto text = made_->summary();
    if (train_) text += fmt::format("; {} training texts", format_count(static_cast<int64_t>(train_->ids.size())));
    if (cut_ > 0) text += fmt::format(" ({} cut to {} tokens)", format_count(cut_), made_->context());
    return text;
  }

 private:
  const LabelledTexts& training_texts() {
    if (!training_) training_ = data_.open("train");
    return *training_;
  }

  /// Those that are `known` in their order; for training only where the data's are the same.
  std::vector<std::string> find_names(const std::vector<std::string>& known) {
    if ((!context_.learns && !known.empty()) || !training_) return known;
    std::set<std::string> names(training_->labels.begin(), training_->labels.end());
    if (data_.val_is_share)  // by chance a rare label may stand there alone
      for (const auto& label : data_.open("val").labels) names.insert(label);
    std::vector<std::string> sorted(names.begin(), names.end());
    return std::is_permutation(known.begin(), known.end(), sorted.begin(), sorted.end()) ? known : sorted;
  }

  Encoded encoded(const LabelledTexts& texts, const std::string& split) {
    Encoded made;
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto name = std::find(config_.names.begin(), config_.names.end(), texts.labels[i]);
      if (name == config_.names.end())
        fail("[classify_text] the {} text {} has the label \"{}\"{}; names= says what the data calls the classes",
             split, i + 1, texts.labels[i], suggest(texts.labels[i], config_.names));
      made.labels.push_back(name - config_.names.begin());
      auto [ids, cut] = made_->encode(texts.texts[i]);
      if (cut) ++cut_;
      made.ids.push_back(std::move(ids));
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
  Table learned_;
  std::unique_ptr<TrainedTextClassifier> made_;
  int64_t cut_ = 0;
  std::optional<Encoded> train_;
  std::map<std::string, Encoded> scored_;
  std::unique_ptr<Buckets> buckets_;
  std::optional<ClassJudge> judge_;  // of the last evaluation
  TextFigure mistakes_;
  std::optional<LoadedBatches<Batch>> batches_;
};

Metrics ClassifyText::evaluate(const std::string& split, int64_t limit) {
  const Using guard(model(), context_);
  const auto& data = scored(split);
  const auto indices = scored_samples(std::ssize(data.lengths), limit, 1).order(0);
  Ids lengths;
  for (const auto index : indices) lengths.push_back(data.lengths[static_cast<size_t>(index)]);
  const Buckets buckets(lengths, config_.tokens, 0);
  judge_.emplace(config_.names);
  mistakes_ = {"Mistakes", {}};
  constexpr size_t kShown = 24;
  for (int64_t i = 0; i < buckets.batches(); ++i) {
    throw_if_stopped();
    auto members = buckets.batch(0, i);
    for (auto& member : members) member = indices[static_cast<size_t>(member)];
    const auto batch = moved(make_batch(data, members), context_.device);
    const auto first = std::ssize(*judge_);
    judge_->add(made_->model().forward(batch.ids, batch.lengths).to(torch::kFloat32), batch.labels);
    for (size_t row = 0; row < members.size() && mistakes_.items.size() < kShown; ++row)
      if (const auto place = first + static_cast<int64_t>(row); !judge_->right(place))
        mistakes_.items.push_back({judge_->caption(place), data.texts[static_cast<size_t>(members[row])]});
  }
  return judge_->metrics();
}

}  // namespace

Fields<ClassifyTextConfig> ClassifyTextConfig::fields() {
  using C = ClassifyTextConfig;
  return {TextClassifierConfig::fields(),
          {{"data", &C::data, "where texts and labels come from", labelled_sources().kinds("kind")},
           {"label_smoothing", &C::label_smoothing, "share of the target spread over all classes", from_below(0, 1)},
           {"tokens", &C::tokens, "tokens a training batch has at most, padding too", at_least(1)}}};
}

void register_classify_text(TaskCatalog& catalog) {
  catalog.add("classify_text", "text classification", ClassifyTextConfig{},
              [](const ClassifyTextConfig& config, const TaskContext& context) {
                return std::make_unique<ClassifyText>(config, context);
              });
}

}  // namespace hadal
