#include "hadal/data/sound/griffin_lim.h"

#include <cmath>
#include <numbers>

#include "hadal/core/random.h"
#include "hadal/core/shape.h"

namespace hadal {
namespace {

Tensor random_turns(at::IntArrayRef sizes, uint64_t seed) {
  const auto out = torch::empty(sizes);
  auto* values = out.mutable_data_ptr<float>();
  Random random(seed);
  for (int64_t i = 0; i < out.numel(); ++i) values[i] = static_cast<float>(random.uniform());
  return out;
}

}  // namespace

Tensor griffin_lim(const Tensor& magnitude, const StftShape& shape, const GriffinLim& how, int64_t length,
                   const Tensor& phases) {
  const torch::NoGradGuard no_grad;
  require(how.iterations >= 0 && how.momentum >= 0,
          "[griffin_lim] iterations ({}) and momentum ({}) must be at least 0", how.iterations, how.momentum);
  expect_shape("griffin_lim", magnitude, {shape.bins(), kAny});
  if (phases.defined()) expect_shape("griffin_lim", phases, {shape.bins(), magnitude.size(1)});
  const auto turns = (phases.defined() ? phases : random_turns(magnitude.sizes(), how.seed)).to(magnitude.options());
  auto angles = torch::polar(torch::ones_like(magnitude), 2 * std::numbers::pi * turns);
  const auto pull = how.momentum / (1 + how.momentum);
  Tensor before;
  for (int64_t i = 0; i < how.iterations; ++i) {
    const auto now = stft(istft(magnitude * angles, shape, length), shape);
    expect_shape("griffin_lim", now, {shape.bins(), magnitude.size(1)});
    const auto next = before.defined() ? now - pull * before : now;
    angles = next / next.abs().clamp_min(1e-16);
    before = now;
  }
  return istft(magnitude * angles, shape, length);
}

Tensor sound_of_log_mel(const Tensor& mel, const MelConfig& config, const GriffinLim& how, int64_t length) {
  validate_config(config, "mel");
  expect_shape("griffin_lim", mel, {config.bands, kAny});
  const auto bands = (mel.exp() - config.floor).clamp_min(0);
  return griffin_lim(mel_to_magnitude(bands, config.shape(), config.window, config.power), config.stft(), how, length);
}

Tensor nearer_to_log_mel(const Tensor& samples, const Tensor& mel, const MelConfig& config, int64_t rounds) {
  const torch::NoGradGuard no_grad;
  constexpr double kMomentum = 0.99, kMostAtOnce = 10;
  const auto shape = config.stft();
  auto phases = stft(samples, shape);
  expect_shape("nearer_to_log_mel", mel, {config.bands, phases.size(1)});
  const auto filters = mel_filters(config).to(samples.options()), turned = filters.t();
  const auto weight = turned.sum(1, true).clamp_min(1e-9);
  const auto power = static_cast<double>(config.power);
  // No bin can hold more than any of its bands does.
  const auto most = (mel.exp().clamp_min(1e-30).unsqueeze(1) / filters.unsqueeze(2)).amin(0).pow(1 / power);
  auto out = samples, magnitude = phases.abs();
  Tensor before;
  for (int64_t round = 0; round < rounds; ++round) {
    const auto there = (filters.matmul(magnitude.pow(power)) + config.floor).log();
    const auto off = ((mel - there) / power).clamp(-std::log(kMostAtOnce), std::log(kMostAtOnce));
    magnitude = torch::minimum(magnitude * (turned.matmul(off) / weight).exp(), most);
    out = istft(magnitude * phases / phases.abs().clamp_min(1e-16), shape, samples.size(0));
    const auto now = stft(out, shape);
    phases = before.defined() ? now + kMomentum * (now - before) : now;
    before = now;
    magnitude = (magnitude + now.abs()) / 2;
  }
  return out;
}

}  // namespace hadal
