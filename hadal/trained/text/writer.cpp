#include "hadal/trained/text/writer.h"

#include <algorithm>

#include "hadal/core/format.h"
#include "hadal/core/utf8.h"
#include "hadal/trained/summary.h"
#include "hadal/trained/text/tokens.h"

namespace hadal {

Fields<WriterConfig> WriterConfig::fields() {
  using C = WriterConfig;
  return {{"model", &C::model, "the network", language_models().kinds()},
          {"tokenizer", &C::tokenizer, "how text becomes tokens", tokenizers().kinds()},
          {"hidden", &C::hidden, "share of tokens that a masked model must tell", between(0.01, 0.9)},
          {"begin", &C::begin,
           "put the tokenizer's start of a text (<s>) before prompts; auto: where weights are given, not where "
           "training begins here",
           one_of({"auto", "yes", "no"})},
          {"ends", &C::ends, "ids of tokens that end a text, besides those of usual names (</s>, <|endoftext|>, ...)",
           at_least(0)},
          {"predict", &C::predict, "what predict answers"},
          {"generate", &C::generate, "how texts are written"}};
}

TrainedWriter::TrainedWriter(WriterConfig config, const Table& learned, const Use& use,
                             std::shared_ptr<const Tokenizer> tokenizer)
    : config_(std::move(config)), use_(use), tokenizer_(std::move(tokenizer)) {
  if (!tokenizer_)
    tokenizer_ = settle_tokenizer(config_.tokenizer, learned, use_.weights, [] { return std::string(); });
  settle_model();
  // The windows that are trained on have no such token before them.
  if (config_.begin == "auto") config_.begin = use_.learns && !use_.weights ? "no" : "yes";
}

void TrainedWriter::settle_model() {
  auto& settings = config_.model.settings;
  const bool given = settings.find("vocabulary");
  const auto build = [&] {
    torch::manual_seed(use_.seed);
    model_ = language_models().make(config_.model);
  };
  if (!given) settings.set("vocabulary", std::max<int64_t>(1, tokenizer_->size()));
  build();
  // A masked model needs an id for what is hidden: the tokenizer's own, or one more.
  const auto mask = tokenizer_->special("[MASK]").value_or(tokenizer_->size());
  const auto wanted = model_->masked() ? std::max(tokenizer_->size(), mask + 1) : tokenizer_->size();
  if (model_->vocabulary() < wanted) {
    require(!given, "model.vocabulary is {} and the tokenizer wants {} tokens", model_->vocabulary(), wanted);
    settings.set("vocabulary", wanted);
    build();
  }
  if (model_->masked()) hiding_ = {config_.hidden, mask, tokenizer_->size()};
  config_.model = language_models().resolve(config_.model);
  if (use_.weights) load_into(*model_, *use_.weights, use_.learns);
  model_->to(use_.device);
}

std::string TrainedWriter::summary() const {
  return fmt::format("{}, {} tokens ({}), context {}", model_summary(config_.model.name, *model_),
                     format_count(tokenizer_->size()), config_.tokenizer.name, model_->context());
}

TokenWindows TrainedWriter::windows(const std::string& text, const std::string& what) const {
  const auto ids = tokenizer_->encode(text);
  TokenWindows windows(ids, model_->context());
  if (windows.tokens() < 2) fail("[language] {} has {} token; there is nothing to tell", what, windows.tokens());
  if (const auto decoded = tokenizer_->decode(ids).size(); decoded > 0)
    windows.text_share = static_cast<double>(text.size()) / static_cast<double>(decoded);
  return windows;
}

Metrics TrainedWriter::score(const TokenWindows& windows, int64_t limit, const std::function<void()>& between) {
  const Using guard(*model_, use_);
  return score_text(*model_, *tokenizer_, windows, hiding(), use_.batch, limit, use_.device, between);
}

std::vector<Answer> TrainedWriter::predict(std::span<const Input> inputs, const Table& given) {
  (void)options_over(config_.predict, given, "predict");
  std::vector<Answer> answers(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) try {
      const auto text = plain_text(inputs[i].bytes, inputs[i].name);
      const auto told = windows(text, inputs[i].name == "text" ? "the text" : inputs[i].name);
      auto& json = answers[i].json;
      json = {{"input", inputs[i].name == "text" ? inputs[i].bytes : inputs[i].name}, {"tokens", told.tokens()}};
      for (const auto& [name, value] : score(told)) json[name] = value;
    } catch (const Error& error) {
      answers[i].error = error.what();
    }
  return answers;
}

std::vector<int64_t> TrainedWriter::prompt(const std::string& text) const {
  return prompt_tokens(*tokenizer_, text, config_.begin == "yes");
}

void TrainedWriter::generate(std::span<const Input> prompts, const Table& given, const Told& told) {
  const auto options = options_over(config_.generate, given, "generate");
  std::vector<std::vector<int64_t>> tokens;
  for (const auto& input : prompts) {
    if (find_bad_utf8(input.bytes) != std::string::npos) fail_usage("the prompt is not UTF-8");
    tokens.push_back(prompt(input.bytes));
  }
  const Using guard(*model_, use_);
  std::vector<std::string> whole(prompts.size() * static_cast<size_t>(options.count));
  write_texts(*model_, *tokenizer_, tokens, options, config_.ends,
              [&](size_t index, const std::string& piece, bool done) {
                whole[index] += piece;
                if (!done) return told({.index = index, .text = piece});
                const auto& before = prompts[index / static_cast<size_t>(options.count)].bytes;
                const Answer made{{{"prompt", before}, {"text", whole[index]}}, {}, {}};
                return told({.index = index, .text = piece, .part = 1, .made = &made});
              });
}

std::string TrainedWriter::operator()(const std::string& text, const WriteOptions& options) {
  const Using guard(*model_, use_);
  return write_texts(*model_, *tokenizer_, {prompt(text)}, options, config_.ends).at(0);
}

std::unique_ptr<TrainedWriter> load_writer(const std::filesystem::path& what, const UseOptions& options) {
  return load_as<TrainedWriter>("language", what, options);
}

void register_trained_writer(TrainedCatalog& catalog) {
  catalog.add("language", "texts: how likely they are; hadal generate writes on", WriterConfig{},
              [](const WriterConfig& config, const Table& learned, const Use& use) {
                return std::make_unique<TrainedWriter>(config, learned, use);
              });
}

}  // namespace hadal
