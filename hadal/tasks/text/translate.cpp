#include "hadal/tasks/text/translate.h"

#include <algorithm>
#include <map>

#include "hadal/core/format.h"
#include "hadal/data/text/buckets.h"
#include "hadal/data/text/parallel.h"
#include "hadal/metrics/classification.h"
#include "hadal/metrics/translation.h"
#include "hadal/trained/text/tokens.h"

namespace hadal {
namespace {

using Ids = std::vector<int64_t>;

struct PairBatch {
  Tensor source, lengths;  // (B, S), (B)
  Tensor target;           // (B, T): the start and the text
  Tensor places, answers;  // (N): where in B * T a token follows, and which
  auto tensors() { return std::tie(source, lengths, target, places, answers); }
};

/// Texts and their tokens, with ends.
struct EncodedPairs {
  TextPairs texts;
  std::vector<Ids> source, target;
  std::vector<int64_t> lengths;  // the longer side's
};

class Translate : public Task {
 public:
  Translate(const TranslateConfig& config, const TaskContext& context) : config_(config), context_(context) {
    data_ = parallel_sources().make(config_.data);
    auto tokenizer = settle_tokenizer(config_.tokenizer, known_before(context.learned, context.weights),
                                      context.weights, [this] { return training_text(); });
    learned_ = learned_tokenizer(config_.tokenizer, *tokenizer);
    made_ = std::make_unique<TrainedTranslator>(config_, learned_, context_, std::move(tokenizer));
    static_cast<TranslatorConfig&>(config_) = made_->config();
    if (context.learns) make_loader();
  }

  nn::Module& model() override { return made_->model(); }
  Table settings() const override { return write_config(config_); }
  Table learned() const override { return learned_; }

  Batches& batches() override { return *batches_; }
  Losses losses(const Step&) override { return {loss(batches_->current(), config_.label_smoothing), {}}; }

  std::vector<std::string> splits() const override { return data_.splits; }
  std::string goal() const override { return "bleu"; }
  Metrics evaluate(const std::string& split, int64_t limit) override;
  std::vector<Score> scores() const override { return {{"loss", false}, {"bleu"}, {"chrf"}}; }
  std::vector<Figure> figures() override {
    if (samples_.items.empty()) return {};
    return {samples_};
  }
  std::string summary() const override {
    auto text = made_->summary();
    if (train_) text += fmt::format("; {} training texts", format_count(static_cast<int64_t>(train_->source.size())));
    if (left_out_ > 0)
      text +=
          fmt::format(" ({} empty or longer than {} tokens are left out)", format_count(left_out_), config_.longest);
    return text;
  }

 private:
  std::string training_text() {
    if (!has_split("train"))
      fail("[translate] the weights know no tokenizer, and there is no training text to learn one from");
    return texts_to_learn(config_.tokenizer, data_.splits, [this](const std::string& split) {
      const auto pairs = data_.open(split);
      std::string text;
      for (const auto* side : {&pairs.source, &pairs.target})
        for (const auto& line : *side) text.append(" ").append(line).append("\n");
      return text;
    });
  }

  std::shared_ptr<const EncodedPairs> encoded(const std::string& split, bool for_training) {
    EncodedPairs made{data_.open(split), {}, {}, {}};
    auto& texts = made.texts;
    size_t kept = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
      auto source = made_->translator().encode(texts.source[i]), target = made_->translator().encode(texts.target[i]);
      const auto longer = static_cast<int64_t>(std::max(source.size(), target.size()));
      const bool empty = texts.source[i].empty() || texts.target[i].empty();
      if (for_training && (empty || longer > config_.longest)) {
        ++left_out_;
        continue;
      }
      made_->check_length(longer, fmt::format("{} text {}", split, i + 1));
      texts.source[kept] = texts.source[i], texts.target[kept] = texts.target[i], ++kept;
      made.source.push_back(std::move(source));
      made.target.push_back(std::move(target));
      made.lengths.push_back(longer);
    }
    texts.source.resize(kept), texts.target.resize(kept);
    return std::make_shared<const EncodedPairs>(std::move(made));
  }

  const EncodedPairs& scored(const std::string& split) {
    auto& data = scored_[split];
    if (!data) data = encoded(split, false);
    return *data;
  }

  void make_loader() {
    require_split("train");
    train_ = encoded("train", true);
    if (train_->lengths.empty() && left_out_ > 0)
      fail("[translate] all {} training texts are empty or longer than longest={} tokens", left_out_, config_.longest);
    for (const auto* split : {"val", "test"})  // what is wrong with them is said now, not after the training
      if (has_split(split)) scored(split);
    buckets_ = std::make_unique<Buckets>(train_->lengths, config_.tokens, context_.seed);
    const Sampler sampler{.size = buckets_->batches(), .batch = 1, .shuffle = true, .seed = context_.seed};
    batches_.emplace(sampler, context_.workers, context_.device, [this](const BatchPlan& plan) {
      return make_batch(*train_, buckets_->batch(plan.epoch, plan.indices.at(0)));
    });
  }

  PairBatch make_batch(const EncodedPairs& data, const std::vector<int64_t>& indices) const {
    const auto& ends = made_->translator().ends();
    std::vector<Ids> sources, targets;
    for (const auto index : indices) {
      sources.push_back(data.source[static_cast<size_t>(index)]);
      targets.push_back(data.target[static_cast<size_t>(index)]);
    }
    Ids answers, places;
    auto target = padded(targets, ends.padding);
    const auto width = target.size(1);
    for (size_t row = 0; row < targets.size(); ++row)
      for (size_t i = 0; i < targets[row].size(); ++i) {
        answers.push_back(targets[row][i]);
        places.push_back(static_cast<int64_t>(row) * width + static_cast<int64_t>(i));
      }
    target =
        torch::cat({torch::full({target.size(0), 1}, ends.start, torch::kInt64), target.slice(1, 0, width - 1)}, 1);
    return {padded(sources, ends.padding), lengths_of(sources), target, torch::tensor(places), torch::tensor(answers)};
  }

  /// Mean over the tokens that are no padding; only they are scored against the vocabulary.
  Tensor loss(const PairBatch& batch, double smoothing) const {
    const auto features = made_->model().forward(batch.source, batch.lengths, batch.target);
    const auto logits = made_->model().logits(features.flatten(0, 1).index_select(0, batch.places));
    return at::cross_entropy_loss(logits.to(torch::kFloat32), batch.answers, {}, at::Reduction::Mean, -100, smoothing);
  }

  TranslateConfig config_;
  TaskContext context_;
  ParallelSource data_;
  Table learned_;
  std::unique_ptr<TrainedTranslator> made_;
  int64_t left_out_ = 0;
  std::shared_ptr<const EncodedPairs> train_;
  std::map<std::string, std::shared_ptr<const EncodedPairs>> scored_;
  std::unique_ptr<Buckets> buckets_;
  TextFigure samples_;  // of the last evaluation
  std::optional<LoadedBatches<PairBatch>> batches_;
};

Metrics Translate::evaluate(const std::string& split, int64_t limit) {
  const Using guard(model(), context_);
  const auto& data = scored(split);
  const auto indices = scored_samples(std::ssize(data.source), limit, 1).order(0);
  const auto count = indices.size();
  Ids lengths;
  std::vector<std::string> sources, targets;
  for (const auto index : indices) {
    const auto at = static_cast<size_t>(index);
    lengths.push_back(data.lengths[at]);
    sources.push_back(data.texts.source[at]);
    targets.push_back(data.texts.target[at]);
  }
  Mean loss_mean;
  const Buckets buckets(lengths, config_.tokens, 0);
  for (int64_t i = 0; i < buckets.batches(); ++i) {
    throw_if_stopped();
    auto members = buckets.batch(0, i);
    for (auto& member : members) member = indices[static_cast<size_t>(member)];
    const auto batch = moved(make_batch(data, members), context_.device);
    loss_mean.add(loss(batch, 0).item<double>(), static_cast<double>(batch.answers.size(0)));
  }
  // While training goes on, the validation texts are translated greedily: it tells one epoch from another as well.
  auto how = config_.predict;
  if (context_.learns && split == "val") how.beams = 1;
  const auto made = made_->translate(sources, how, throw_if_stopped);
  Bleu bleu;
  Chrf chrf;
  samples_ = {"Translations", {}};
  const auto every = std::max<size_t>(1, count / 12);
  for (size_t i = 0; i < count; ++i) {
    if (i % every == 0) samples_.items.push_back({sources[i], made[i].text + "\nReference: " + targets[i]});
    bleu.add(made[i].text, targets[i]);
    chrf.add(made[i].text, targets[i]);
  }
  return {{"loss", loss_mean.value()}, {"bleu", bleu.score()}, {"chrf", chrf.score()}};
}

}  // namespace

Fields<TranslateConfig> TranslateConfig::fields() {
  using C = TranslateConfig;
  return {
      TranslatorConfig::fields(),
      {{"data", &C::data, "where texts and translations come from", parallel_sources().kinds("kind")},
       {"label_smoothing", &C::label_smoothing, "share of the target spread over all tokens", from_below(0, 1)},
       {"tokens", &C::tokens, "tokens a training batch has at most, padding too, on its longer side", at_least(1)}}};
}

void register_translate(TaskCatalog& catalog) {
  catalog.add("translate", "translation of texts", TranslateConfig{},
              [](const TranslateConfig& config, const TaskContext& context) {
                return std::make_unique<Translate>(config, context);
              });
}

}  // namespace hadal
