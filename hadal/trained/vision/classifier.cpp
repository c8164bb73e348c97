#include "hadal/trained/vision/classifier.h"

#include "hadal/core/shape.h"
#include "hadal/io/draw.h"
#include "hadal/io/image.h"
#include "hadal/trained/summary.h"

namespace hadal {

Fields<ClassifyPicturesOptions> ClassifyPicturesOptions::fields() {
  return {ClassifyOptions::fields(),
          {{"size", &ClassifyPicturesOptions::size, "side that pictures are resized to (0: that of training)",
            at_least(0)}}};
}

Fields<ClassifierConfig> ClassifierConfig::fields() {
  using C = ClassifierConfig;
  return {{"model", &C::model, "the network", classifiers().kinds()},
          {"augment", &C::augment, "how pictures are prepared and varied"},
          {"names", &C::names, "class names, in the order of the labels (default: the data's)"},
          {"predict", &C::predict, "what predict answers"}};
}

void ClassifierConfig::validate() const { validate_config(augment); }

std::optional<int64_t> model_setting(const Part& model, const std::string& key) {
  const auto& item = classifiers().at(model.name);
  const auto* field = item.schema.find(key);
  if (!field) return std::nullopt;
  const auto* given = model.settings.find(key);
  return read_integer(given ? *given : *item.schema.defaults().find(key), "model." + key, field->limit);
}

TrainedClassifier::TrainedClassifier(ClassifierConfig config, const Table& learned, const Use& use)
    : config_(std::move(config)), use_(use), learned_(LearnedClasses::from(learned)) {
  if (config_.names.empty()) config_.names = learned_.names;
  settle(config_.augment.size == 0 && !use.learns);
  transform_ = std::make_unique<ClassificationTransform>(config_.augment, channels_, false);
}

/// What model, names and preparation must agree on: classes and side.
void TrainedClassifier::settle(bool as_published) {
  auto& model = config_.model;
  const auto& item = classifiers().at(model.name);
  const auto agree = [&](const char* key, int64_t value, const char* what) {
    if (value <= 0 || !item.schema.find(key)) return;
    if (!model.settings.find(key)) return model.settings.set(key, value);
    const auto given = *model_setting(model, key);
    require(given == value, "model.{} is {} and there are {} {}", key, given, value, what);
  };
  agree("classes", std::ssize(config_.names), "class names");
  if (const auto size = model_setting(model, "image")) {
    if (config_.augment.size == 0) config_.augment.size = *size;
    agree("image", config_.augment.size, "pixels a side after augment.size");
  }
  model = classifiers().resolve(model);
  channels_ = model_setting(model, "channels").value_or(channels_);
  for (auto label = std::ssize(config_.names); label < model_setting(model, "classes").value_or(0); ++label)
    config_.names.push_back(fmt::format("{}", label));
  torch::manual_seed(use_.seed);
  model_ = classifiers().make(model);
  if (as_published) {
    const auto [size, resize] = model_->published_size();
    if (config_.augment.size == 0) config_.augment.size = size;
    if (config_.augment.resize == 0) config_.augment.resize = resize;
  }
  require(config_.augment.size > 0, "say how large pictures are: size=224");
  if (use_.weights) load_into(*model_, *use_.weights, use_.learns);
  model_->to(use_.device);
  if (use_.channels_last)
    for (auto& parameter : model_->parameters())
      if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
}

std::string TrainedClassifier::summary() const {
  auto text = fmt::format("{}, {} classes, {}x{} pixels", model_summary(config_.model.name, *model_),
                          config_.names.size(), config_.augment.size, config_.augment.size);
  if (config_.augment.resize > config_.augment.size)
    text += fmt::format(" of a shorter side of {}", config_.augment.resize);
  return text;
}

Tensor TrainedClassifier::laid_out(Tensor pixels) const {
  return use_.channels_last ? pixels.contiguous(at::MemoryFormat::ChannelsLast) : pixels;
}

Tensor TrainedClassifier::prepared(std::span<const Tensor> images, const ClassificationTransform& transform) const {
  const auto side = transform.size();
  auto pixels = torch::empty({std::ssize(images), channels_, side, side});
  Random random(0);
  auto* out = pixels.mutable_data_ptr<float>();
  for (const auto& image : images) transform(image, random, out), out += channels_ * side * side;
  return laid_out(pixels).to(use_.device);
}

Tensor TrainedClassifier::probabilities(std::span<const Tensor> images, const ClassificationTransform& transform) {
  const Using guard(*model_, use_);
  return model_->forward(prepared(images, transform)).to(torch::kFloat32).softmax(1).cpu();
}

std::pair<Tensor, Tensor> TrainedClassifier::look(std::span<const Tensor> images) {
  const Using guard(*model_, use_);
  const auto pixels = prepared(images, *transform_);
  return {model_->pooled(pixels).to(torch::kFloat32).cpu(), model_->forward(pixels).to(torch::kFloat32).cpu()};
}

std::vector<ScoredClass> TrainedClassifier::operator()(const Tensor& image) {
  const auto probable = probabilities({&image, 1}, *transform_);
  return top_classes(probable[0], config_.names, std::ssize(config_.names));
}

std::vector<Answer> TrainedClassifier::predict(std::span<const Input> inputs, const Table& given) {
  const auto options = options_over(config_.predict, given, "predict");
  auto augment = config_.augment;
  if (options.size > 0 && options.size != augment.size) {
    require(!model_setting(config_.model, "image"), "predict.size={} and this model reads pictures of {} pixels alone",
            options.size, augment.size);
    augment.resize = augment.resize > 0 ? augment.resize * options.size / augment.size : 0;
    augment.size = options.size;
  }
  const ClassificationTransform transform(augment, channels_, false);
  std::vector<Answer> answers(inputs.size());
  std::vector<Tensor> images;
  for (size_t i = 0; i < inputs.size(); ++i) try {
      const auto& input = inputs[i];
      images.push_back(input.image.defined() ? to_channels(input.image, channels_)
                                             : decode_image(input.bytes, input.name, {.channels = channels_}));
    } catch (const Error& error) {
      answers[i].error = error.what();
    }
  const auto all = images.empty() ? Tensor() : probabilities(images, transform);
  int64_t row = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    auto& answer = answers[i];
    if (!answer.error.empty()) continue;
    const auto own = all[row];
    answer.json = {{"input", inputs[i].name}, {"top", as_json(top_classes(own, config_.names, options.top))}};
    const auto said = own.argmax().item<int64_t>();
    const auto caption =
        fmt::format("{} {:.0f} %", config_.names.at(static_cast<size_t>(said)), own[said].item<double>() * 100);
    answer.files.push_back({".png", [image = images[static_cast<size_t>(row)], caption, said] {
                              return encode_png(with_caption(image, caption, class_colour(said)));
                            }});
    ++row;
  }
  return answers;
}

std::unique_ptr<TrainedClassifier> load_classifier(const std::filesystem::path& what, const UseOptions& options) {
  return load_as<TrainedClassifier>("classify", what, options);
}

void register_trained_classifier(TrainedCatalog& catalog) {
  catalog.add("classify", "pictures: their likeliest classes", ClassifierConfig{},
              [](const ClassifierConfig& config, const Table& learned, const Use& use) {
                return std::make_unique<TrainedClassifier>(config, learned, use);
              });
}

}  // namespace hadal
