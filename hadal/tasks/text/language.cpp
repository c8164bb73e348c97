#include "hadal/tasks/text/language.h"

#include <map>

#include <nlohmann/json.hpp>

#include "hadal/core/format.h"
#include "hadal/core/utf8.h"
#include "hadal/trained/text/tokens.h"

namespace hadal {
namespace {

class Language : public Task {
 public:
  Language(const LanguageConfig& config, const TaskContext& context) : config_(config), context_(context) {
    const auto text = open_data();
    // Weights know their tokens by number: the tokenizer that made those numbers goes with them.
    const auto known = known_before(context.learned, context.weights);
    auto tokenizer = settle_tokenizer(config_.tokenizer, known, context.weights, [&] {
      if (text.empty()) return text;
      return texts_to_learn(config_.tokenizer, source_.splits,
                            [&](const std::string& split) { return split == "train" ? text : source_.open(split); });
    });
    learned_ = learned_tokenizer(config_.tokenizer, *tokenizer);
    made_ = std::make_unique<TrainedWriter>(config_, learned_, context_, std::move(tokenizer));
    static_cast<WriterConfig&>(config_) = made_->config();
    if (!context.learns) return;
    make_train_loader(text);
    for (const auto& split : source_.splits)
      if (split != "train") windows_of(split);  // what cannot be read is said now, not at the first evaluation
  }

  nn::Module& model() override { return made_->model(); }
  Table settings() const override { return write_config(config_); }
  Table learned() const override { return learned_; }

  Batches& batches() override { return *batches_; }
  Losses losses(const Step&) override {
    const auto& batch = batches_->current();
    const auto logits = made_->model().forward(batch.inputs).to(torch::kFloat32);
    return {at::cross_entropy_loss(logits.flatten(0, 1), batch.targets.flatten()), {}};
  }

  std::vector<std::string> splits() const override { return source_.splits; }
  std::string goal() const override { return "loss"; }
  std::vector<Score> scores() const override {
    std::vector<Score> all = {{"loss", false}, {"perplexity", false}, {"accuracy", true}};
    if (!made_->hiding()) all.push_back({"bits_per_byte", false});
    return all;
  }
  Metrics evaluate(const std::string& split, int64_t limit) override {
    return made_->score(windows_of(split), limit, throw_if_stopped);
  }
  std::vector<Figure> figures() override {
    if (made_->hiding() || config_.samples == 0) return {};
    const Using guard(model(), context_);
    const auto prompt = usable_prompt();
    const auto texts = write_texts(made_->model(), made_->tokenizer(), {prompt.tokens},
                                   {.tokens = config_.sample_tokens,
                                    .count = config_.samples,
                                    .temperature = 0.8,
                                    .top_k = 200,
                                    .seed = static_cast<int64_t>(context_.seed)});
    TextFigure figure{"Samples", {}};
    for (const auto& text : texts)
      figure.items.push_back({fmt::format("behind {}, temperature 0.8", nlohmann::json(prompt.text).dump()), text});
    return {figure};
  }
  std::string summary() const override {
    auto text = made_->summary();
    if (train_) text += fmt::format("; {} training tokens", format_count(train_->tokens()));
    return text;
  }

 private:
  /// Opens the source; gives the training text where it is there, for tokenizers that learn from it.
  std::string open_data() {
    source_ = text_sources().make(config_.data);
    config_.data = text_sources().resolve(config_.data);
    if (has_split("train")) return source_.open("train");
    if (context_.learns) require_split("train");
    return {};
  }

  const TokenWindows& windows_of(const std::string& split) {
    auto& windows = opened_[split];
    if (!windows) windows = std::make_unique<TokenWindows>(made_->windows(source_.open(split), "the split " + split));
    return *windows;
  }

  void make_train_loader(const std::string& text) {
    const auto context = made_->model().context();
    // Not TrainedWriter::windows, which tells bytes: training asks nothing of them.
    train_ = std::make_unique<TokenWindows>(made_->tokenizer().encode(text), context);
    if (train_->tokens() <= context)
      fail("[language] the training text has {} tokens and a window takes {}: use more text or a smaller model.context",
           train_->tokens(), context + 1);
    const auto whole = (train_->tokens() - 1) / train_->length();  // windows of full length
    auto sampler = shuffled(whole, context_.batch, context_.seed);
    sampler.shuffle = config_.windows == "strided";  // random ones are drawn anew for every place
    batches_.emplace(sampler, context_.workers, context_.device, [this](const BatchPlan& plan) {
      std::vector<Tensor> inputs, targets;
      for (const auto index : plan.indices) {
        auto random = plan.sample(index);
        const auto window = config_.windows == "random" ? train_->random(random) : train_->strided(index);
        const auto row = learn_from(window, made_->hiding(), random);
        inputs.push_back(row.inputs);
        targets.push_back(row.targets);
      }
      return TokenBatch{torch::stack(inputs), torch::stack(targets)};
    });
  }

  struct Prompt {
    std::vector<int64_t> tokens;
    std::string text;
  };
  /// The prompt of samples, or where the tokenizer has not all of it or nothing for it, the text's first token.
  Prompt usable_prompt() {
    try {
      return {made_->prompt(config_.sample_prompt), config_.sample_prompt};
    } catch (const Error&) {
      const auto first = windows_of(has_split("val") ? "val" : "train").strided(0);
      const std::vector<int64_t> tokens = {first[0].item<int64_t>()};
      return {tokens, repaired_utf8(made_->tokenizer().decode(tokens))};
    }
  }

  LanguageConfig config_;
  TaskContext context_;
  TextSource source_;
  Table learned_;
  std::unique_ptr<TrainedWriter> made_;
  std::unique_ptr<TokenWindows> train_;
  std::map<std::string, std::unique_ptr<TokenWindows>> opened_;
  std::optional<LoadedBatches<TokenBatch>> batches_;
};

}  // namespace

Fields<LanguageConfig> LanguageConfig::fields() {
  using C = LanguageConfig;
  return {WriterConfig::fields(),
          {{"data", &C::data, "where text comes from", text_sources().kinds("kind")},
           {"windows", &C::windows, "which pieces of the text are read: any, or side by side in random order",
            one_of({"random", "strided"})},
           {"samples", &C::samples, "texts written for the report", at_least(0)},
           {"sample_tokens", &C::sample_tokens, "their length", at_least(1)},
           {"sample_prompt", &C::sample_prompt, "what they begin with"}}};
}

void register_language(TaskCatalog& catalog) {
  catalog.add("language", "language modelling", LanguageConfig{},
              [](const LanguageConfig& config, const TaskContext& context) {
                return std::make_unique<Language>(config, context);
              });
}

}  // namespace hadal
