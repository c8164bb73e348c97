#include "hadal/trained/series/classifier.h"

#include "hadal/data/sound/series_augment.h"
#include "hadal/ops/resample.h"
#include "hadal/trained/summary.h"

namespace hadal {

Fields<SoundClassifierConfig> SoundClassifierConfig::fields() {
  using C = SoundClassifierConfig;
  return {{"model", &C::model, "the network", series_classifiers().kinds()},
          {"data", &C::data, "where series and labels come from", sound_sources().kinds("kind")},
          {"names", &C::names, "class names, in the order of the labels (default: the data's)"},
          {"predict", &C::predict, "what predict answers"}};
}

TrainedSoundClassifier::TrainedSoundClassifier(SoundClassifierConfig config, const Table& learned, const Use& use)
    : config_(std::move(config)), use_(use), hearing_(sound_sources().make(config_.data)) {
  if (config_.names.empty()) config_.names = LearnedClasses::from(learned).names;
  require(!config_.names.empty(), "say which classes there are: names=a,b,c");
  torch::manual_seed(use_.seed);
  config_.model = series_classifiers().resolve(config_.model);
  model_ = series_classifiers().make(
      config_.model, {.channels = hearing_.mel.bands, .length = hearing_.length, .classes = std::ssize(config_.names)});
  if (use_.weights) load_into(*model_, *use_.weights, use_.learns);
  model_->to(use_.device);
}

std::string TrainedSoundClassifier::summary() const {
  return fmt::format("{}, {} classes, {} channels of {} steps", model_summary(config_.model.name, *model_),
                     config_.names.size(), hearing_.mel.bands, hearing_.length);
}

std::vector<Answer> TrainedSoundClassifier::predict(std::span<const Input> inputs, const Table& given) {
  const auto options = options_over(config_.predict, given, "predict");
  std::vector<Answer> answers(inputs.size());
  std::vector<Tensor> series;
  for (size_t i = 0; i < inputs.size(); ++i) try {
      const auto bytes = std::as_bytes(std::span(inputs[i].bytes));
      series.push_back(place_series(sound_features(bytes, inputs[i].name, hearing_.mel), hearing_.length, {}, nullptr));
    } catch (const Error& error) {
      answers[i].error = error.what();
    }
  if (series.empty()) return answers;
  const Using guard(*model_, use_);
  const auto logits = model_->forward(torch::stack(series).to(use_.device)).to(torch::kFloat32);
  const auto probabilities = logits.softmax(1).cpu();
  int64_t row = 0;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (answers[i].error.empty())
      answers[i].json = {{"input", inputs[i].name},
                         {"top", as_json(top_classes(probabilities[row++], config_.names, options.top))}};
  return answers;
}

TrainedSoundClassifier::Seen TrainedSoundClassifier::look(const std::vector<Tensor>& samples, int64_t rate) {
  const Using guard(*model_, use_);
  std::vector<Tensor> features, logits;
  for (size_t first = 0; first < samples.size(); first += static_cast<size_t>(use_.batch)) {
    std::vector<Tensor> series;
    for (auto i = first; i < std::min(samples.size(), first + static_cast<size_t>(use_.batch)); ++i)
      series.push_back(place_series(sound_features(resample(samples[i], rate, hearing_.mel.rate), hearing_.mel),
                                    hearing_.length, {}, nullptr));
    const auto x = torch::stack(series).to(use_.device);
    features.push_back(model_->pooled(x).to(torch::kFloat32).cpu());
    logits.push_back(model_->forward(x).to(torch::kFloat32).cpu());
  }
  return {torch::cat(features), torch::cat(logits)};
}

std::unique_ptr<TrainedSoundClassifier> load_sound_classifier(const std::filesystem::path& what,
                                                              const UseOptions& options) {
  return load_as<TrainedSoundClassifier>("classify_series", what, options);
}

void register_trained_series_classifier(TrainedCatalog& catalog) {
  catalog.add("classify_series", "sounds: their likeliest classes", SoundClassifierConfig{},
              [](const SoundClassifierConfig& config, const Table& learned, const Use& use) {
                return std::make_unique<TrainedSoundClassifier>(config, learned, use);
              });
}

}  // namespace hadal
