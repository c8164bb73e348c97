#include "hadal/models/audio/diffwave.h"

#include <cmath>

#include "hadal/core/shape.h"

namespace hadal {
namespace {

constexpr int64_t kStepDim = 512, kWaves = 64;
constexpr double kUpSlope = 0.4;

nn::Conv1d conv(int64_t in, int64_t out, int64_t kernel, int64_t dilation = 1) {
  nn::Conv1d made(nn::Conv1dOptions(in, out, kernel).padding(dilation * (kernel / 2)).dilation(dilation));
  init::kaiming_normal(made->weight, false);
  return made;
}

/// Steps (B) int64 as (B, 128) sines and cosines: the table of the published code, in the float32 that its weights
/// know.
Tensor waves_at(const Tensor& steps) {
  const auto rates = torch::pow(10.0, torch::arange(kWaves, steps.options()) * 4.0 / 63.0);
  const auto angles = steps.unsqueeze(1) * rates.unsqueeze(0);
  return torch::cat({angles.sin(), angles.cos()}, 1);
}

/// In the weights' type; a step between two is between their waves.
Tensor waves(const Tensor& steps, const Tensor& weight) {
  if (!steps.is_floating_point()) return waves_at(steps.to(torch::kInt64)).to(weight.options());
  const auto below = steps.floor(), share = (steps - below).unsqueeze(1).to(weight.options());
  const auto low = waves_at(below.to(torch::kInt64)).to(weight.options());
  const auto high = waves_at(steps.ceil().to(torch::kInt64)).to(weight.options());
  return low + (high - low) * share;
}

/// Modules: dilated_conv, diffusion_projection, conditioner_projection, output_projection.
struct WaveBlockImpl : nn::Module {
  WaveBlockImpl(const DiffWaveConfig& config, int64_t dilation)
      : dilated_conv(conv(config.width, 2 * config.width, 3, dilation)),
        diffusion_projection(kStepDim, config.width),
        output_projection(conv(config.width, 2 * config.width, 1)) {
    register_module("dilated_conv", dilated_conv);
    register_module("diffusion_projection", diffusion_projection);
    if (config.bands > 0)
      conditioner_projection = register_module("conditioner_projection", conv(config.bands, 2 * config.width, 1));
    register_module("output_projection", output_projection);
  }
  /// x (B, width, T), step (B, 512), condition (B, bands, T) -> what goes on, and what is kept for the end.
  std::pair<Tensor, Tensor> forward(const Tensor& x, const Tensor& step, const Tensor& condition) {
    auto y = dilated_conv(x + diffusion_projection(step).unsqueeze(-1));
    if (conditioner_projection) y = y + conditioner_projection(condition);
    const auto halves = y.chunk(2, 1);
    const auto out = output_projection(halves[0].sigmoid() * halves[1].tanh()).chunk(2, 1);
    return {(x + out[0]) / std::sqrt(2.0), out[1]};
  }

  nn::Conv1d dilated_conv;
  Linear diffusion_projection;
  nn::Conv1d conditioner_projection{nullptr}, output_projection;
};
TORCH_MODULE(WaveBlock);

}  // namespace

Fields<DiffWaveConfig> DiffWaveConfig::fields() {
  using C = DiffWaveConfig;
  return {{"bands", &C::bands, "mel bands of the spectrogram to follow; 0: none", at_least(0)},
          {"classes", &C::classes, "classes that can be asked for; 0: none", at_least(0)},
          {"width", &C::width, "channels between the blocks", at_least(1)},
          {"depth", &C::depth, "blocks", at_least(1)},
          {"cycle", &C::cycle, "blocks after which dilation, doubled with each, begins at 1 again", between(1, 24)},
          {"up", &C::up, "how many samples become of a frame, step by step: their product is the hop", at_least(2)}};
}

void DiffWaveConfig::validate() const {
  if (bands == 0) return;
  require(!up.empty(), "[diffwave] up is empty; hop 256 is 16,16");
  for (const auto times : up)
    require(times % 2 == 0, "[diffwave] up ({}) must be even; nearest: {}", times, nearest_multiple(times, 2));
  require(up.size() <= 8 && hop() <= (1 << 20), "[diffwave] up makes a hop that is too long");
}

int64_t DiffWaveConfig::hop() const {
  int64_t out = 1;
  for (const auto times : up) out = std::min(out, int64_t{1} << 32) * std::min(times, int64_t{1} << 21);
  return out;
}

DiffWaveImpl::DiffWaveImpl(const DiffWaveConfig& config)
    : config_(config), projection1_(2 * kWaves, kStepDim), projection2_(kStepDim, kStepDim) {
  validate_config(config, "diffwave");
  input_projection_ = register_module("input_projection", conv(1, config.width, 1));
  auto embedding = std::make_shared<nn::Module>();
  embedding->register_module("projection1", projection1_.ptr());
  embedding->register_module("projection2", projection2_.ptr());
  register_module("diffusion_embedding", embedding);
  if (config.classes > 0)
    class_embedding_ = register_module("class_embedding", Embedding(config.classes + 1, kStepDim));
  if (config.bands > 0) {
    auto upsampler = std::make_shared<nn::Module>();
    for (const auto times : config.up) {
      upsamplers_.emplace_back(
          nn::ConvTranspose2dOptions(1, 1, {3, 2 * times}).stride({1, times}).padding({1, times / 2}));
      upsampler->register_module(fmt::format("conv{}", upsamplers_.size()), upsamplers_.back().ptr());
    }
    register_module("spectrogram_upsampler", upsampler);
  }
  for (int64_t i = 0; i < config.depth; ++i)
    residual_layers_->push_back(WaveBlock(config, int64_t{1} << (i % config.cycle)));
  register_module("residual_layers", residual_layers_);
  skip_projection_ = register_module("skip_projection", conv(config.width, config.width, 1));
  output_projection_ = register_module("output_projection", conv(config.width, 1, 1));
  init::constant(output_projection_->weight, 0);
}

Tensor DiffWaveImpl::upsampled(const Tensor& mel, int64_t samples) {
  if (!mel.defined()) fail("[diffwave] wants a spectrogram of {} bands and got none", config_.bands);
  expect_shape("diffwave", mel, {kAny, config_.bands, kAny});
  if (mel.size(2) * config_.hop() < samples)
    fail("[diffwave] {} frames of {} samples do not reach over a sound of {}", mel.size(2), config_.hop(), samples);
  auto x = mel.unsqueeze(1);
  for (auto& layer : upsamplers_) x = torch::leaky_relu(layer(x), kUpSlope);
  return x.squeeze(1).slice(2, 0, samples);
}

Tensor DiffWaveImpl::forward(const Tensor& sound, const Tensor& steps, const Tensor& mel, const Tensor& labels) {
  expect_shape("diffwave", sound, {kAny, kAny});
  expect_shape("diffwave steps", steps, {sound.size(0)});
  if (labels.defined() != (config_.classes > 0))
    fail("[diffwave] {} classes, and labels {}", config_.classes, labels.defined() ? "given" : "missing");
  if (mel.defined() && config_.bands == 0) fail("[diffwave] follows no spectrogram and got one");
  const auto condition = config_.bands > 0 ? upsampled(mel, sound.size(1)) : Tensor();
  auto step = torch::silu(projection2_(torch::silu(projection1_(waves(steps, projection1_->weight)))));
  if (class_embedding_) {
    expect_shape("diffwave labels", labels, {sound.size(0)});
    step = step + class_embedding_(labels);
  }
  auto x = torch::relu(input_projection_(sound.unsqueeze(1)));
  Tensor sum;
  for (const auto& layer : *residual_layers_) {
    auto [next, kept] = layer->as<WaveBlockImpl>()->forward(x, step, condition);
    x = next;
    sum = sum.defined() ? sum + kept : kept;
  }
  const auto out = torch::relu(skip_projection_(sum / std::sqrt(static_cast<double>(config_.depth))));
  return output_projection_(out).squeeze(1);
}

const WaveDiffuserCatalog& wave_diffusers() {
  static const auto catalog = [] {
    WaveDiffuserCatalog made("model", "model");
    const auto add = [&](const char* name, const char* about, const DiffWaveConfig& preset) {
      made.add(name, about, preset,
               [](const DiffWaveConfig& config) { return std::make_shared<DiffWaveImpl>(config); });
    };
    add("diffwave", "DiffWave that follows a spectrogram, as published", {});
    add("diffwave-conditional", "DiffWave that makes the class asked for", {.bands = 0, .classes = 10});
    return made;
  }();
  return catalog;
}

}  // namespace hadal
