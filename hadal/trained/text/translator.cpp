#include "hadal/trained/text/translator.h"

#include "hadal/core/format.h"
#include "hadal/core/utf8.h"
#include "hadal/trained/summary.h"
#include "hadal/trained/text/tokens.h"

namespace hadal {

Fields<TranslateOptions> TranslateOptions::fields() {
  using C = TranslateOptions;
  return {
      {"beams", &C::beams, "translations that beam search keeps at every token", at_least(1)},
      {"length_penalty", &C::length_penalty, "scores are log-probability / length^this; more favours longer texts"}};
}

Fields<TranslatorConfig> TranslatorConfig::fields() {
  using C = TranslatorConfig;
  return {{"model", &C::model, "the network", translators().kinds()},
          {"tokenizer", &C::tokenizer, "how texts become tokens, one for both languages", tokenizers().kinds()},
          {"longest", &C::longest,
           "tokens a text may have: longer ones are not trained on, and translations are cut there", at_least(1)},
          {"predict", &C::predict, "what predict answers; the test split is scored so too"}};
}

TrainedTranslator::TrainedTranslator(TranslatorConfig config, const Table& learned, const Use& use,
                                     std::shared_ptr<const Tokenizer> tokenizer)
    : config_(std::move(config)), use_(use), tokenizer_(std::move(tokenizer)) {
  if (!tokenizer_)
    tokenizer_ = settle_tokenizer(config_.tokenizer, learned, use_.weights, [] { return std::string(); });
  agree(config_.model, "vocabulary", tokenizer_->size() + TextEnds::kCount,
        "the tokenizer has, with padding, start and end,");
  config_.model = translators().resolve(config_.model);
  torch::manual_seed(use_.seed);
  model_ = translators().make(config_.model);
  if (use_.weights) load_into(*model_, *use_.weights, use_.learns);
  require(config_.longest <= model_->most_tokens(),
          "longest = {} tokens, and the model has {} learned positions: lower it or raise model.longest",
          config_.longest, model_->most_tokens());
  model_->to(use_.device);
  translator_ = std::make_unique<Translator>(*model_, tokenizer_, use_.device);
}

std::string TrainedTranslator::summary() const {
  return fmt::format("{}, {} tokens", model_summary(config_.model.name, *model_), format_count(tokenizer_->size()));
}

void TrainedTranslator::check_length(int64_t tokens, const std::string& name) const {
  if (tokens > model_->most_tokens())
    fail("{} has {} tokens, and the model {} learned positions", name, tokens, model_->most_tokens());
}

std::vector<Translation> TrainedTranslator::translate(std::span<const std::string> texts,
                                                      const TranslateOptions& options,
                                                      const std::function<void()>& between) {
  const Using guard(*model_, use_);
  return translator_->translate(texts, {.beam = {.beams = options.beams, .length_penalty = options.length_penalty},
                                        .batch = use_.batch,
                                        .longest = config_.longest,
                                        .between = between});
}

std::vector<Answer> TrainedTranslator::predict(std::span<const Input> inputs, const Table& given) {
  const auto options = options_over(config_.predict, given, "predict");
  std::vector<Answer> answers(inputs.size());
  std::vector<std::string> texts;
  for (size_t i = 0; i < inputs.size(); ++i) try {
      check_utf8(inputs[i].bytes, inputs[i].name);
      check_length(std::ssize(translator_->encode(inputs[i].bytes)), inputs[i].name);
      texts.push_back(inputs[i].bytes);
    } catch (const Error& error) {
      answers[i].error = error.what();
    }
  const auto made = translate(texts, options);
  size_t next = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!answers[i].error.empty()) continue;
    const auto& [text, score, ended] = made[next++];
    auto& json = answers[i].json;
    json = {{"input", inputs[i].name}, {"text", inputs[i].bytes}, {"translation", text}, {"score", score}};
    if (!ended) json["ended"] = false;
    answers[i].files.push_back({"translations.txt", [line = text + "\n"] { return line; }, true});
  }
  return answers;
}

std::unique_ptr<TrainedTranslator> load_translator(const std::filesystem::path& what, const UseOptions& options) {
  return load_as<TrainedTranslator>("translate", what, options);
}

void register_trained_translator(TrainedCatalog& catalog) {
  catalog.add("translate", "texts: their translations", TranslatorConfig{},
              [](const TranslatorConfig& config, const Table& learned, const Use& use) {
                return std::make_unique<TrainedTranslator>(config, learned, use);
              });
}

}  // namespace hadal
