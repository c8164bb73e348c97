#include "hadal/trained/making/sound_nets.h"

namespace hadal {

WaveDenoiser::WaveDenoiser(std::shared_ptr<DiffWaveImpl> net, int64_t samples)
    : wave(std::move(net)), samples(samples) {
  register_module("wave", wave);
}

Tensor WaveDenoiser::forward(const Tensor& x, const Tensor& time, const Tensor& labels) {
  const auto rows = checked("diffwave", x, time, labels);
  return wave->forward(x.flatten(1), time.to(torch::kFloat32), {}, rows).view(x.sizes());
}

PartKinds sound_nets() {
  const auto pictures = denoiser_models().kinds(), waves = wave_diffusers().kinds();
  return {[=] {
            auto all = pictures.list();
            for (auto& kind : waves.list()) all.push_back(std::move(kind));
            return all;
          },
          [=](const std::string& name) {
            auto found = pictures.schema(name);
            return found ? found : waves.schema(name);
          },
          "name"};
}

bool makes_waves(const std::string& name) { return wave_diffusers().find(name) != nullptr; }

std::shared_ptr<Denoiser> make_sound_net(Part& model, int64_t bands, int64_t frames, int64_t samples) {
  const auto set = [&](const char* key, int64_t value, const char* what) {
    if (!model.settings.find(key)) return model.settings.set(key, value);
    const auto given = read_integer(*model.settings.find(key), fmt::format("model.{}", key), {});
    require(given == value, "model.{} is {} and {} is {}", key, given, what, value);
  };
  if (makes_waves(model.name)) {
    set("bands", 0, "what a net of samples follows");
    model = wave_diffusers().resolve(model);
    return std::make_shared<WaveDenoiser>(wave_diffusers().make(model), samples);
  }
  const auto& schema = denoiser_models().at(model.name).schema;
  set("channels", 1, "the number of spectrograms");
  set("image", bands, "data.mel.bands");
  if (schema.find("across"))
    set("across", frames, "data.length");
  else
    require(bands == frames, "{} makes squares: data.length ({}) must be data.mel.bands ({})", model.name, frames,
            bands);
  model = denoiser_models().resolve(model);
  return denoiser_models().make(model);
}

}  // namespace hadal
