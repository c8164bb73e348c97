#include "hadal/tasks/text/translate.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "hadal/core/format.h"
#include "hadal/data/text/buckets.h"
#include "hadal/data/text/parallel.h"
#include "hadal/io/file.h"
#include "hadal/io/weights.h"
#include "hadal/metrics/classification.h"
#include "hadal/metrics/translation.h"
#include "hadal/tasks/summary.h"
#include "hadal/tasks/text/text_inputs.h"
#include "hadal/tasks/text/translator.h"

namespace hadal {
namespace {

using Ids = std::vector<int64_t>;

struct Batch {
  Tensor source, lengths;  // (B, S), (B)
  Tensor target;           // (B, T): the start and the text
  Tensor places, answers;  // (N): where in B * T a token follows, and which
  auto tensors() { return std::tie(source, lengths, target, places, answers); }
};

/// Texts and their tokens, with ends.
struct Encoded {
  TextPairs texts;
  std::vector<Ids> source, target;
  std::vector<int64_t> lengths;  // the longer side's
};

class Translate : public Task {
 public:
  Translate(const TranslateConfig& config, const TaskContext& context) : config_(config), context_(context) {
    if (context.open_data) data_ = parallel_sources().make(config_.data);
    tokenizer_ = settle_tokenizer(config_.tokenizer, context_, [this] { return training_text(); });
    settle_model();
    if (context.train_data && context.open_data) make_loader();
  }

  nn::Module& model() override { return *model_; }
  Table settings() const override { return write_config(config_); }
  std::map<std::string, std::string> metadata() const override {
    return {{"tokenizer", tokenizer_metadata(config_.tokenizer, *tokenizer_)}};
  }

  Batches& batches() override { return *batches_; }
  Losses losses(size_t) override { return {loss(batches_->current(), config_.label_smoothing), {}}; }

  std::vector<std::string> splits() const override { return data_.splits; }
  Goal goal() const override { return {"bleu", true}; }
  Metrics evaluate(const std::string& split, int64_t limit) override;
  std::vector<std::string> metric_names() const override { return {"loss", "bleu", "chrf"}; }
  std::vector<Figure> figures() override {
    if (samples_.items.empty()) return {};
    return {samples_};
  }
  int64_t predict(const PredictOptions& options, const std::function<void(const std::string&)>& line) override;

  std::string summary() const override {
    auto text =
        fmt::format("{}, {} tokens", model_summary(config_.model.name, *model_), format_count(tokenizer_->size()));
    if (train_) text += fmt::format("; {} training texts", format_count(static_cast<int64_t>(train_->source.size())));
    if (left_out_ > 0)
      text +=
          fmt::format(" ({} empty or longer than {} tokens are left out)", format_count(left_out_), config_.longest);
    return text;
  }

 private:
  std::string training_text() {
    if (!context_.open_data || !has_split("train"))
      fail("[translate] the weights know no tokenizer, and there is no training text to learn one from");
    return texts_to_learn(config_.tokenizer, data_.splits, [this](const std::string& split) {
      const auto pairs = data_.open(split);
      std::string text;
      for (const auto* side : {&pairs.source, &pairs.target})
        for (const auto& line : *side) text.append(" ").append(line).append("\n");
      return text;
    });
  }

  void settle_model() {
    agree(config_.model, "vocabulary", tokenizer_->size() + TextEnds::kCount,
          "the tokenizer has, with padding, start and end,");
    config_.model = translators().resolve(config_.model);
    torch::manual_seed(context_.seed);
    model_ = translators().make(config_.model);
    if (!context_.weights.empty()) load_weights(*model_, context_.weights);
    require(config_.longest <= model_->most_tokens(),
            "longest = {} tokens, and the model has {} learned positions: lower it or raise model.longest",
            config_.longest, model_->most_tokens());
    model_->to(context_.device);
    translator_ = std::make_unique<Translator>(*model_, tokenizer_, context_.device);
  }

  void check_length(int64_t tokens, const std::string& name) const {
    if (tokens > model_->most_tokens())
      fail("{} has {} tokens, and the model {} learned positions", name, tokens, model_->most_tokens());
  }

  std::shared_ptr<const Encoded> encoded(const std::string& split, bool for_training) {
    Encoded made{data_.open(split), {}, {}, {}};
    auto& texts = made.texts;
    size_t kept = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
      auto source = translator_->encode(texts.source[i]), target = translator_->encode(texts.target[i]);
      const auto longer = static_cast<int64_t>(std::max(source.size(), target.size()));
      const bool empty = texts.source[i].empty() || texts.target[i].empty();
      if (for_training && (empty || longer > config_.longest)) {
        ++left_out_;
        continue;
      }
      check_length(longer, fmt::format("{} text {}", split, i + 1));
      texts.source[kept] = texts.source[i], texts.target[kept] = texts.target[i], ++kept;
      made.source.push_back(std::move(source));
      made.target.push_back(std::move(target));
      made.lengths.push_back(longer);
    }
    texts.source.resize(kept), texts.target.resize(kept);
    return std::make_shared<const Encoded>(std::move(made));
  }

  const Encoded& scored(const std::string& split) {
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

  Batch make_batch(const Encoded& data, const std::vector<int64_t>& indices) const {
    const auto& ends = translator_->ends();
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
  Tensor loss(const Batch& batch, double smoothing) const {
    const auto features = model_->forward(batch.source, batch.lengths, batch.target);
    const auto logits = model_->logits(features.flatten(0, 1).index_select(0, batch.places));
    return at::cross_entropy_loss(logits.to(torch::kFloat32), batch.answers, {}, at::Reduction::Mean, -100, smoothing);
  }

  TranslateConfig config_;
  TaskContext context_;
  ParallelSource data_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<TransformerImpl> model_;
  std::unique_ptr<Translator> translator_;
  int64_t left_out_ = 0;
  std::shared_ptr<const Encoded> train_;
  std::map<std::string, std::shared_ptr<const Encoded>> scored_;
  std::unique_ptr<Buckets> buckets_;
  TextFigure samples_;  // of the last evaluation
  std::optional<LoadedBatches<Batch>> batches_;
};

Metrics Translate::evaluate(const std::string& split, int64_t limit) {
  const torch::NoGradGuard no_grad;
  model_->eval();
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
    auto members = buckets.batch(0, i);
    for (auto& member : members) member = indices[static_cast<size_t>(member)];
    const auto batch = moved(make_batch(data, members), context_.device);
    loss_mean.add(loss(batch, 0).item<double>(), static_cast<double>(batch.answers.size(0)));
  }
  // While training goes on, the validation texts are translated greedily: it tells one epoch from another as well.
  const bool quick = context_.train_data && split == "val";
  const auto made = translator_->translate(
      sources, {.beam = {.beams = quick ? 1 : config_.beams, .length_penalty = config_.length_penalty},
                .batch = context_.batch,
                .longest = config_.longest});
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

int64_t Translate::predict(const PredictOptions& options, const std::function<void(const std::string&)>& line) {
  model_->eval();
  Predictions predictions(options, line);
  std::vector<std::string> texts;
  const auto inputs = readable(texts_to_predict(options, predictions), predictions, [&](const NamedText& input) {
    check_length(std::ssize(translator_->encode(input.text)), input.name);
    texts.push_back(input.text);
  });
  const TranslatorOptions how{.beam = {.beams = config_.beams, .length_penalty = config_.length_penalty},
                              .batch = context_.batch,
                              .longest = config_.longest};
  AtomicFile plain(options.out / "translations.txt");
  const auto step = static_cast<size_t>(context_.batch) * 16;  // enough to sort by length, few enough to see it move
  for (size_t begin = 0; begin < texts.size(); begin += step) {
    const auto some = std::span(texts).subspan(begin, std::min(step, texts.size() - begin));
    const auto made = translator_->translate(some, how);
    for (size_t i = 0; i < some.size(); ++i) {
      nlohmann::ordered_json answer = {{"input", inputs[begin + i].name},
                                       {"text", some[i]},
                                       {"translation", made[i].text},
                                       {"score", made[i].score}};
      if (!made[i].ended) answer["ended"] = false;
      predictions.add(answer);
      plain.write(made[i].text + "\n");
    }
  }
  plain.commit();
  return finish_texts(predictions, options);
}

}  // namespace

Fields<TranslateConfig> TranslateConfig::fields() {
  using C = TranslateConfig;
  return {
      {"model", &C::model, "the network", translators().kinds()},
      {"data", &C::data, "where texts and translations come from", parallel_sources().kinds("kind")},
      {"tokenizer", &C::tokenizer, "how texts become tokens, one for both languages", tokenizers().kinds()},
      {"label_smoothing", &C::label_smoothing, "share of the target spread over all tokens", from_below(0, 1)},
      {"tokens", &C::tokens, "tokens a training batch has at most, padding too, on its longer side", at_least(1)},
      {"longest", &C::longest, "tokens a text may have: longer ones are not trained on, and translations are cut there",
       at_least(1)},
      {"beams", &C::beams, "translations that beam search keeps at every token", at_least(1)},
      {"length_penalty", &C::length_penalty, "scores are log-probability / length^this; more favours longer texts"}};
}

void register_translate(TaskCatalog& catalog) {
  catalog.add("translate", "translation of texts", TranslateConfig{},
              [](const TranslateConfig& config, const TaskContext& context) {
                return std::make_unique<Translate>(config, context);
              });
}

}  // namespace hadal
