#include "hadal/metrics/sound.h"

#include <cmath>

#include "hadal/core/shape.h"
#include "hadal/models/audio/spectral_losses.h"

namespace hadal {
namespace {

struct SoundPair {
  Tensor made, real;
};

SoundPair checked(const char* where, const Tensor& made, const Tensor& real) {
  expect_shape(where, made, {kAny});
  expect_shape(where, real, {kAny});
  const auto shorter = std::min(made.size(0), real.size(0)), longer = std::max(made.size(0), real.size(0));
  if (shorter < 1 || longer - shorter > longer / 10)
    fail("[{}] recordings of {} and {} samples are not the same sound", where, made.size(0), real.size(0));
  const auto cut = [&](const Tensor& sound) { return sound.detach().slice(0, 0, shorter).cpu().to(torch::kFloat64); };
  return {cut(made), cut(real)};
}

}  // namespace

double stft_distance(const Tensor& made, const Tensor& real, int64_t rate) {
  const torch::NoGradGuard no_grad;
  const auto pair = checked("stft_distance", made, real);
  return stft_loss(pair.made, pair.real, stft_resolutions(rate)).sum().item<double>();
}

double mel_distance(const Tensor& made, const Tensor& real, const MelConfig& mel) {
  const torch::NoGradGuard no_grad;
  const auto pair = checked("mel_distance", made, real);
  const auto decibels = (mel.power == 2 ? 10 : 20) / std::log(10.0);
  return decibels * (log_mel(pair.made, mel) - log_mel(pair.real, mel)).abs().mean().item<double>();
}

void SoundDistance::add(const Tensor& made, const Tensor& real) {
  stft_ += stft_distance(made, real, mel_.rate);
  mels_ += mel_distance(made, real, mel_);
  ++count_;
}

Metrics SoundDistance::metrics() const {
  if (count_ == 0) return {};
  const auto count = static_cast<double>(count_);
  return {{"stft_distance", stft_ / count}, {"mel_distance", mels_ / count}};
}

}  // namespace hadal
