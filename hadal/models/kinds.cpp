#include "hadal/models/kinds.h"

#include <algorithm>

#include "hadal/models/audio/diffwave.h"
#include "hadal/models/audio/vocos.h"
#include "hadal/models/detection/detection_model.h"
#include "hadal/models/detection/yolo_blocks.h"
#include "hadal/models/forecast/forecaster.h"
#include "hadal/models/forecast/series_classifier.h"
#include "hadal/models/generative/diffusion/denoiser.h"
#include "hadal/models/generative/vae.h"
#include "hadal/models/generative/vqvae.h"
#include "hadal/models/pose/heatmap_model.h"
#include "hadal/models/text/language_model.h"
#include "hadal/models/text/text_classifier.h"
#include "hadal/models/text/transformer.h"
#include "hadal/models/vision/classifier.h"

namespace hadal {
namespace {

constexpr int64_t kMostTokens = 1024, kTranslatedTokens = 128;
const ForecastShape kForecast{.channels = 7};  // as many as the ETT series have
const ClassShape kSeries;

int64_t setting(const Part& part, const std::string& name, int64_t otherwise) {
  const auto* value = part.settings.find(name);
  const auto* number = value ? value->get_if<int64_t>() : nullptr;
  return number ? *number : otherwise;
}

/// `look` gives an Example of a model of the catalog's own type; `shape` is what its makers are given besides.
template <class Product, class... Args, class Look, class... Shape>
ModelKind kind(const Catalog<Product, Args...>& catalog, std::string measure, Look look, const Shape&... shape) {
  using Own = std::remove_reference_t<decltype(*std::declval<Product&>())>;
  return {.names = catalog.names(),
          .measure = std::move(measure),
          .make = [&catalog, &shape...](const Part& part) -> std::shared_ptr<Model> {
            const auto made = catalog.make(part, shape...);
            if constexpr (requires { made.ptr(); })
              return made.ptr();
            else
              return made;
          },
          .schema = [&catalog](const std::string& name) -> const Schema& { return catalog.at(name).schema; },
          .resolve = [&catalog](const Part& part) { return catalog.resolve(part); },
          .example =
              [look](const std::shared_ptr<Model>& model, const Part& part, int64_t asked) {
                auto own = std::dynamic_pointer_cast<Own>(model);
                require(own != nullptr, "[models] {} is a model of another kind", part.name);
                Example example = look(own, part, asked);
                example.forward = [model, forward = std::move(example.forward)] {
                  const torch::NoGradGuard no_grad;
                  model->eval();
                  forward();
                };
                return example;
              }};
}

Tensor picture(int64_t channels, int64_t side) { return torch::zeros({1, channels, side, side}); }

Example of_classifier(const std::shared_ptr<ImageClassifier>& model, const Part& part, int64_t asked) {
  const auto published = model->published_size().size;
  const auto side = asked > 0 ? asked : setting(part, "image", published > 0 ? published : 224);
  const auto pixels = picture(setting(part, "channels", 3), side);
  return {fmt::format("a picture of {0} x {0}", side), [=] { model->forward(pixels); }};
}

/// Nothing is found in it: what a second stage costs for each thing found is not in the sum.
Example of_detector(const std::shared_ptr<DetectionModel>& model, const Part&, int64_t asked) {
  const auto prepared = model->preparation();
  const auto stride = std::max<int64_t>(prepared.stride, 1);
  const auto side = ((asked > 0 ? asked : prepared.size) + stride - 1) / stride * stride;
  const auto pixels = picture(3, side), sizes = torch::full({1, 2}, side, torch::kInt64);
  return {fmt::format("a picture of {0} x {0} in which nothing is found", side), [=] {
            const yolo::WithoutFolding each;  // a layer's own weights do its products
            model->find(pixels, sizes, {.conf = 1});
          }};
}

Example of_heatmap_model(const std::shared_ptr<HeatmapModel>& model, const Part&, int64_t) {
  const auto prepared = model->preparation();
  const auto pixels = torch::zeros({1, 3, prepared.height, prepared.width});
  return {fmt::format("a crop of {} x {}", prepared.height, prepared.width), [=] { model->forward(pixels); }};
}

Tensor ids(int64_t tokens) { return torch::zeros({1, tokens}, torch::kInt64); }

Example of_language_model(const std::shared_ptr<LanguageModel>& model, const Part&, int64_t asked) {
  const auto tokens = asked > 0 ? asked : std::min(model->context(), kMostTokens);
  return {fmt::format("a text of {} tokens", tokens), [=] { model->forward(ids(tokens)); }};
}

Example of_text_classifier(const std::shared_ptr<TextClassifier>& model, const Part& part, int64_t asked) {
  const auto tokens = asked > 0 ? asked : std::min(setting(part, "context", kMostTokens), kMostTokens);
  return {fmt::format("a text of {} tokens", tokens),
          [=] { model->forward(ids(tokens), torch::full({1}, tokens, torch::kInt64)); }};
}

Example of_translator(const std::shared_ptr<TransformerImpl>& model, const Part&, int64_t asked) {
  const auto tokens = asked > 0 ? asked : kTranslatedTokens;
  return {fmt::format("a text of {0} tokens and its translation of {0}", tokens),
          [=] { model->logits(model->forward(ids(tokens), torch::full({1}, tokens, torch::kInt64), ids(tokens))); }};
}

Example of_forecaster(const std::shared_ptr<Forecaster>& model, const Part&, int64_t) {
  const auto& shape = kForecast;
  return {fmt::format("{} channels of {} steps, of which {} follow", shape.channels, shape.input, shape.horizon), [=] {
            const auto& [channels, input, horizon, outputs, features] = kForecast;
            model->forward(torch::zeros({1, channels, input}), torch::zeros({1, features, input + horizon}));
          }};
}

Example of_series_classifier(const std::shared_ptr<SeriesClassifierImpl>& model, const Part&, int64_t) {
  return {fmt::format("{} channel of {} steps", kSeries.channels, kSeries.length),
          [=] { model->forward(torch::zeros({1, kSeries.channels, kSeries.length})); }};
}

Tensor label(int64_t classes) { return classes > 0 ? torch::zeros({1}, torch::kInt64) : Tensor(); }

std::string sides(const PictureShape& shape) { return fmt::format("{} x {}", shape.height, shape.width); }

Example of_gan(const std::shared_ptr<Gan>& model, const Part&, int64_t) {
  const auto& makes = *model->generator;
  return {fmt::format("a picture of {}, made and judged", sides(makes.pictures())), [=] {
            const auto labels = label(model->generator->classes());
            model->discriminator->judge(model->generator->make(torch::zeros({1, model->generator->latent()}), labels),
                                        labels);
          }};
}

Example of_vae(const std::shared_ptr<Vae>& model, const Part&, int64_t) {
  const auto shape = model->pictures();
  return {fmt::format("a picture of {}, there and back", sides(shape)), [=] {
            const auto labels = label(model->classes());
            const auto x = torch::zeros({1, shape.channels, shape.height, shape.width});
            model->decode(model->encode(x, labels).mean, labels);
          }};
}

Example of_vqvae(const std::shared_ptr<VqVaeImpl>& model, const Part&, int64_t) {
  const auto shape = model->pictures();
  return {fmt::format("a picture of {}, there and back", sides(shape)),
          [=] { model->forward(torch::zeros({1, shape.channels, shape.height, shape.width})); }};
}

Example of_denoiser(const std::shared_ptr<Denoiser>& model, const Part&, int64_t) {
  const auto shape = model->pictures();
  return {fmt::format("a picture of {}, one step", sides(shape)), [=] {
            model->forward(torch::zeros({1, shape.channels, shape.height, shape.width}), torch::zeros({1}),
                           label(model->classes()));
          }};
}

Example of_vocoder(const std::shared_ptr<VocosImpl>& model, const Part&, int64_t) {
  constexpr int64_t kFrames = 100;
  const auto bands = model->config().bands;
  return {fmt::format("{} frames of {} bands", kFrames, bands),
          [=] { model->forward(torch::zeros({1, bands, kFrames})); }};
}

Example of_wave_diffuser(const std::shared_ptr<DiffWaveImpl>& model, const Part&, int64_t) {
  constexpr int64_t kSamples = 4096;
  return {fmt::format("a sound of {} samples, one step", kSamples), [=] {
            const auto& config = model->config();
            const auto frames = (kSamples + config.hop() - 1) / config.hop();
            model->forward(torch::zeros({1, kSamples}), torch::zeros({1}, torch::kInt64),
                           config.bands > 0 ? torch::zeros({1, config.bands, frames}) : Tensor(),
                           label(config.classes));
          }};
}

}  // namespace

bool ModelKind::has(const std::string& name) const {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const std::vector<ModelKind>& model_kinds() {
  static const std::vector<ModelKind> all = {kind(classifiers(), "size", of_classifier),
                                             kind(detectors(), "size", of_detector),
                                             kind(heatmap_models(), "", of_heatmap_model),
                                             kind(language_models(), "tokens", of_language_model),
                                             kind(text_classifiers(), "tokens", of_text_classifier),
                                             kind(translators(), "tokens", of_translator),
                                             kind(forecasters(), "", of_forecaster, kForecast),
                                             kind(series_classifiers(), "", of_series_classifier, kSeries),
                                             kind(gan_models(), "", of_gan),
                                             kind(vaes(), "", of_vae),
                                             kind(vqvaes(), "", of_vqvae),
                                             kind(denoiser_models(), "", of_denoiser),
                                             kind(vocoders(), "", of_vocoder),
                                             kind(wave_diffusers(), "", of_wave_diffuser)};
  return all;
}

const ModelKind& kind_of_model(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& kind : model_kinds()) {
    if (kind.has(name)) return kind;
    known.insert(known.end(), kind.names.begin(), kind.names.end());
  }
  fail_usage("there is no model \"{}\"{}", name, suggest(name, known));
}

Part with_measure(const ModelKind& kind, Part part, int64_t measure) {
  const auto& schema = kind.schema(part.name);
  // A `size` may also be a word: YOLO's n, s, m.
  for (const auto* name : {"image", "size"})
    if (const auto* field = schema.find(name);
        measure > 0 && kind.measure == "size" && field && field->type == Setting<int64_t>::type())
      part.settings.set(name, measure);
  return kind.resolve(part);
}

}  // namespace hadal
