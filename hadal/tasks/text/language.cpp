#include "hadal/tasks/text/language.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "hadal/core/format.h"
#include "hadal/core/utf8.h"
#include "hadal/io/file.h"
#include "hadal/io/weights.h"
#include "hadal/tasks/summary.h"
#include "hadal/tasks/text/language_text.h"
#include "hadal/tasks/text/text_inputs.h"

namespace hadal {
namespace {

class Language : public Task, public TextWriter {
 public:
  Language(const LanguageConfig& config, const TaskContext& context) : config_(config), context_(context) {
    std::string text;
    if (context.open_data) text = open_data();
    // Weights know their tokens by number: the tokenizer that made those numbers goes with them.
    tokenizer_ = settle_tokenizer(config_.tokenizer, context_, [&] {
      if (text.empty()) return text;
      return texts_to_learn(config_.tokenizer, source_.splits,
                            [&](const std::string& split) { return split == "train" ? text : source_.open(split); });
    });
    settle_model();
    // The windows that are trained on have no such token before them.
    if (config_.begin == "auto") config_.begin = context.train_data && context.weights.empty() ? "no" : "yes";
    if (context.train_data && context.open_data) {
      make_train_loader(text);
      for (const auto& split : source_.splits)
        if (split != "train") windows_of(split);  // what cannot be read is said now, not at the first evaluation
    }
  }

  nn::Module& model() override { return *model_; }
  Table settings() const override { return write_config(config_); }
  std::map<std::string, std::string> metadata() const override {
    return {{"tokenizer", tokenizer_metadata(config_.tokenizer, *tokenizer_)}};
  }

  Batches& batches() override { return *batches_; }
  Losses losses(size_t) override {
    const auto& batch = batches_->current();
    const auto logits = model_->forward(batch.inputs).to(torch::kFloat32);
    return {at::cross_entropy_loss(logits.flatten(0, 1), batch.targets.flatten()), {}};
  }

  std::vector<std::string> splits() const override { return source_.splits; }
  Goal goal() const override { return {"loss", false}; }
  std::vector<std::string> metric_names() const override {
    std::vector<std::string> names = {"loss", "perplexity", "accuracy"};
    if (!model_->masked()) names.push_back("bits_per_byte");
    return names;
  }
  Metrics evaluate(const std::string& split, int64_t limit) override {
    const auto& windows = windows_of(split);
    return score_text(*model_, *tokenizer_, windows, hiding(), context_.batch, limit, context_.device);
  }
  std::vector<Figure> figures() override {
    if (model_->masked() || config_.samples == 0) return {};
    const auto prompt = usable_prompt();
    const auto texts = write_texts(*model_, *tokenizer_, {prompt.tokens},
                                   {.tokens = config_.sample_tokens,
                                    .count = config_.samples,
                                    .temperature = 0.8,
                                    .top_k = 200,
                                    .seed = context_.seed});
    TextFigure figure{"Samples", {}};
    for (const auto& text : texts)
      figure.items.push_back({fmt::format("behind {}, temperature 0.8", nlohmann::json(prompt.text).dump()), text});
    return {figure};
  }
  std::string summary() const override {
    auto text = fmt::format("{}, {} tokens ({}), context {}", model_summary(config_.model.name, *model_),
                            format_count(tokenizer_->size()), config_.tokenizer.name, model_->context());
    if (train_) text += fmt::format("; {} training tokens", format_count(train_->tokens()));
    return text;
  }

  /// A line a text, each file one: {"input", "tokens", "loss", "perplexity", ...}.
  int64_t predict(const PredictOptions& options, const std::function<void(const std::string&)>& line) override {
    Predictions predictions(options, line);
    int64_t done = 0;
    const auto enough = [&] { return options.limit > 0 && done == options.limit; };
    const auto score = [&](const std::string& input, const std::string& text, const std::string& name) {
      const auto windows = windows_to_score(text, name);
      nlohmann::ordered_json json = {{"input", input}, {"tokens", windows.tokens()}};
      for (const auto& [name, value] :
           score_text(*model_, *tokenizer_, windows, hiding(), context_.batch, 0, context_.device))
        json[name] = value;
      predictions.add(json);
      ++done;
    };
    for (const auto& file : options.inputs) {
      if (enough()) break;
      try {
        score(file, read_plain_text(file), file);
      } catch (const Error& error) {
        predictions.fail(file, error.what());
      }
    }
    for (const auto& text : options.texts) {
      if (enough()) break;
      try {
        check_utf8(text, "text=");
        score(text, text, "the text");
      } catch (const Error& error) {
        predictions.fail(text, error.what());
      }
    }
    return finish_texts(predictions, options);
  }

  std::vector<std::string> generate(const GenerateOptions& options, const TextListener& listen) override {
    std::vector<std::vector<int64_t>> prompts;
    for (const auto& prompt : options.prompts)
      prompts.push_back(prompt_tokens(*tokenizer_, prompt, config_.begin == "yes"));
    return write_texts(*model_, *tokenizer_, prompts, options, listen);
  }

 private:
  /// Opens the source; gives the training text where it is there, for tokenizers that learn from it.
  std::string open_data() {
    source_ = text_sources().make(config_.data);
    config_.data = text_sources().resolve(config_.data);
    if (has_split("train")) return source_.open("train");
    if (context_.train_data) require_split("train");
    return {};
  }

  /// A masked model needs an id for what is hidden: the tokenizer's own, or one more.
  int64_t mask_id() const { return tokenizer_->special("[MASK]").value_or(tokenizer_->size()); }
  const Hiding* hiding() {
    if (!model_->masked()) return nullptr;
    hiding_ = {config_.hidden, mask_id(), tokenizer_->size()};
    return &hiding_;
  }

  void settle_model() {
    auto& settings = config_.model.settings;
    const bool given = settings.find("vocabulary");
    const auto build = [&] {
      torch::manual_seed(context_.seed);
      model_ = language_models().make(config_.model);
    };
    if (!given) settings.set("vocabulary", tokenizer_->size());
    build();
    const auto wanted = model_->masked() ? std::max(tokenizer_->size(), mask_id() + 1) : tokenizer_->size();
    if (model_->vocabulary() < wanted) {
      require(!given, "model.vocabulary is {} and the tokenizer wants {} tokens", model_->vocabulary(), wanted);
      settings.set("vocabulary", wanted);
      build();
    }
    config_.model = language_models().resolve(config_.model);
    if (!context_.weights.empty()) {
      auto weights = unwrapped(read_weights(context_.weights));
      check_own_settings(weights, config_.model, context_.train_data);
      if (auto about = about_beside(context_.weights)) model_->compare(*about), about->finish();
      weights.entries = model_->own_names(weights.entries);
      load_weights(*model_, weights);
    }
    model_->to(context_.device);
  }

  TokenWindows windows_in(const std::string& text, const std::string& what) const {
    return windows_in(tokenizer_->encode(text), what);
  }
  TokenWindows windows_in(const std::vector<int64_t>& ids, const std::string& what) const {
    const TokenWindows windows(ids, model_->context());
    if (windows.tokens() < 2) fail("[language] {} has {} token; there is nothing to tell", what, windows.tokens());
    return windows;
  }
  /// Windows whose bytes are told, which training asks nothing of.
  TokenWindows windows_to_score(const std::string& text, const std::string& what) const {
    const auto ids = tokenizer_->encode(text);
    auto windows = windows_in(ids, what);
    if (const auto decoded = tokenizer_->decode(ids).size(); decoded > 0)
      windows.text_share = static_cast<double>(text.size()) / static_cast<double>(decoded);
    return windows;
  }
  const TokenWindows& windows_of(const std::string& split) {
    auto& windows = opened_[split];
    if (!windows) windows = std::make_unique<TokenWindows>(windows_to_score(source_.open(split), "the split " + split));
    return *windows;
  }

  void make_train_loader(const std::string& text) {
    train_ = std::make_unique<TokenWindows>(windows_in(text, "the training text"));
    if (train_->tokens() <= model_->context())
      fail("[language] the training text has {} tokens and a window takes {}: use more text or a smaller model.context",
           train_->tokens(), model_->context() + 1);
    const auto whole = (train_->tokens() - 1) / train_->length();  // windows of full length
    auto sampler = shuffled(whole, context_.batch, context_.seed);
    sampler.shuffle = config_.windows == "strided";  // random ones are drawn anew for every place
    batches_.emplace(sampler, context_.workers, context_.device, [this](const BatchPlan& plan) {
      std::vector<Tensor> inputs, targets;
      for (const auto index : plan.indices) {
        auto random = plan.sample(index);
        const auto window = config_.windows == "random" ? train_->random(random) : train_->strided(index);
        const auto row = learn_from(window, model_->masked() ? &hiding_ : nullptr, random);
        inputs.push_back(row.inputs);
        targets.push_back(row.targets);
      }
      return TokenBatch{torch::stack(inputs), torch::stack(targets)};
    });
    hiding();  // before the loader's threads need it
  }

  struct Prompt {
    std::vector<int64_t> tokens;
    std::string text;
  };
  /// The prompt of samples, or where the tokenizer has not all of it or nothing for it, the text's first token.
  Prompt usable_prompt() {
    try {
      return {prompt_tokens(*tokenizer_, config_.sample_prompt, config_.begin == "yes"), config_.sample_prompt};
    } catch (const Error&) {
      const auto first = windows_of(has_split("val") ? "val" : "train").strided(0);
      const std::vector<int64_t> tokens = {first[0].item<int64_t>()};
      return {tokens, repaired_utf8(tokenizer_->decode(tokens))};
    }
  }

  LanguageConfig config_;
  TaskContext context_;
  TextSource source_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<LanguageModel> model_;
  std::unique_ptr<TokenWindows> train_;
  std::map<std::string, std::unique_ptr<TokenWindows>> opened_;
  Hiding hiding_;
  std::optional<LoadedBatches<TokenBatch>> batches_;
};

}  // namespace

Fields<LanguageConfig> LanguageConfig::fields() {
  using C = LanguageConfig;
  return {
      {"model", &C::model, "the network", language_models().kinds()},
      {"data", &C::data, "where text comes from", text_sources().kinds("kind")},
      {"tokenizer", &C::tokenizer, "how text becomes tokens", tokenizers().kinds()},
      {"windows", &C::windows, "which pieces of the text are read: any, or side by side in random order",
       one_of({"random", "strided"})},
      {"hidden", &C::hidden, "share of tokens that a masked model must tell", between(0.01, 0.9)},
      {"samples", &C::samples, "texts written for the report", at_least(0)},
      {"sample_tokens", &C::sample_tokens, "their length", at_least(1)},
      {"sample_prompt", &C::sample_prompt, "what they begin with"},
      {"begin", &C::begin,
       "put the tokenizer's start of a text (<s>) before prompts; auto: where weights are given, not where training "
       "begins here",
       one_of({"auto", "yes", "no"})}};
}

void register_language(TaskCatalog& catalog) {
  catalog.add("language", "language modelling", LanguageConfig{},
              [](const LanguageConfig& config, const TaskContext& context) {
                return std::make_unique<Language>(config, context);
              });
}

}  // namespace hadal
