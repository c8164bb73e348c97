#include "hadal/trained/text/classifier.h"

#include <algorithm>

#include "hadal/core/format.h"
#include "hadal/core/utf8.h"
#include "hadal/data/text/buckets.h"
#include "hadal/trained/summary.h"
#include "hadal/trained/text/tokens.h"

namespace hadal {

Fields<TextClassifierConfig> TextClassifierConfig::fields() {
  using C = TextClassifierConfig;
  return {{"model", &C::model, "the network", text_classifiers().kinds()},
          {"tokenizer", &C::tokenizer, "how texts become tokens", tokenizers().kinds()},
          {"names", &C::names, "class names, in the order of the logits (default: the training labels, sorted)"},
          {"predict", &C::predict, "what predict answers"}};
}

TrainedTextClassifier::TrainedTextClassifier(TextClassifierConfig config, const Table& learned, const Use& use,
                                             std::shared_ptr<const Tokenizer> tokenizer)
    : config_(std::move(config)), use_(use), tokenizer_(std::move(tokenizer)) {
  if (!tokenizer_)
    tokenizer_ = settle_tokenizer(config_.tokenizer, learned, use_.weights, [] { return std::string(); });
  before_ = tokenizer_->special("[CLS]");
  behind_ = tokenizer_->special("[SEP]");
  if (config_.names.empty()) config_.names = LearnedClasses::from(learned).names;
  if (const auto* classes = config_.model.settings.find("classes"); config_.names.empty() && classes && !use_.learns)
    for (int64_t i = 0; i < read_integer(*classes, "model.classes", {}); ++i)
      config_.names.push_back(fmt::format("{}", i));  // weights that do not say what they call them
  if (config_.names.empty()) fail("[classify_text] there is no training text to tell the classes from; set names=");
  if (config_.names.size() < 2)
    fail("[classify_text] {} \"{}\"; two classes at least are needed",
         use_.learns ? "all labels are" : "the only class is", config_.names[0]);
  // A model that learned hidden words has a token more than its tokenizer.
  agree(config_.model, "vocabulary", std::max<int64_t>(1, tokenizer_->size()), "the tokenizer has", true);
  agree(config_.model, "classes", std::ssize(config_.names), "the classes are");
  config_.model = text_classifiers().resolve(config_.model);
  context_ = read_integer(*config_.model.settings.find("context"), "model.context", {});
  torch::manual_seed(use_.seed);
  model_ = text_classifiers().make(config_.model);
  if (use_.weights) load_into(*model_, *use_.weights, use_.learns);
  model_->to(use_.device);
}

std::string TrainedTextClassifier::summary() const {
  return fmt::format("{}, {} tokens, {} classes", model_summary(config_.model.name, *model_),
                     format_count(tokenizer_->size()), config_.names.size());
}

TrainedTextClassifier::Encoded TrainedTextClassifier::encode(const std::string& text) const {
  Encoded out{tokenizer_->encode(text), false};
  auto& ids = out.ids;
  const auto room = std::max<int64_t>(0, context_ - before_.has_value() - behind_.has_value());
  if (std::ssize(ids) > room) ids.resize(static_cast<size_t>(room)), out.cut = true;
  if (before_) ids.insert(ids.begin(), *before_);
  if (behind_) ids.push_back(*behind_);
  if (ids.empty()) ids = {0};  // an empty text is a text too
  return out;
}

Tensor TrainedTextClassifier::probabilities(std::span<const std::vector<int64_t>> ids) {
  const Using guard(*model_, use_);
  std::vector<int64_t> lengths;
  for (const auto& row : ids) lengths.push_back(std::ssize(row));
  const auto logits =
      model_->forward(padded(ids, 0).to(use_.device), torch::tensor(lengths, torch::kInt64).to(use_.device));
  return logits.to(torch::kFloat32).softmax(1).cpu();
}

std::vector<ScoredClass> TrainedTextClassifier::operator()(const std::string& text) {
  const auto ids = encode(text).ids;
  return top_classes(probabilities({&ids, 1})[0], config_.names, std::ssize(config_.names));
}

std::vector<Answer> TrainedTextClassifier::predict(std::span<const Input> inputs, const Table& given) {
  const auto options = options_over(config_.predict, given, "predict");
  std::vector<Answer> answers(inputs.size());
  std::vector<std::vector<int64_t>> ids;
  for (size_t i = 0; i < inputs.size(); ++i) try {
      check_utf8(inputs[i].bytes, inputs[i].name);
      ids.push_back(encode(inputs[i].bytes).ids);
    } catch (const Error& error) {
      answers[i].error = error.what();
    }
  if (ids.empty()) return answers;
  const auto all = probabilities(ids);
  int64_t row = 0;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (answers[i].error.empty())
      answers[i].json = {{"input", inputs[i].name},
                         {"text", inputs[i].bytes},
                         {"top", as_json(top_classes(all[row++], config_.names, options.top))}};
  return answers;
}

std::unique_ptr<TrainedTextClassifier> load_text_classifier(const std::filesystem::path& what,
                                                            const UseOptions& options) {
  return load_as<TrainedTextClassifier>("classify_text", what, options);
}

void register_trained_text_classifier(TrainedCatalog& catalog) {
  catalog.add("classify_text", "texts: their likeliest classes", TextClassifierConfig{},
              [](const TextClassifierConfig& config, const Table& learned, const Use& use) {
                return std::make_unique<TrainedTextClassifier>(config, learned, use);
              });
}

}  // namespace hadal
