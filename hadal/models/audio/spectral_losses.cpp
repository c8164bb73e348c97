#include "hadal/models/audio/spectral_losses.h"

#include <bit>

#include "hadal/core/shape.h"

namespace hadal {
namespace {

constexpr double kFloor = 1e-7;  // of a squared magnitude, as commonly used

void expect_alike(const char* where, const Tensor& made, const Tensor& real) {
  expect_shape(where, made, real.sizes().vec());
}

}  // namespace

std::vector<StftShape> stft_resolutions(int64_t rate) {
  require(rate >= 500, "[stft_resolutions] rate ({}) must be at least 500", rate);
  std::vector<StftShape> out;
  for (const auto& [window, hop] : {std::pair<int64_t, int64_t>{25, 5}, {50, 10}, {10, 2}}) {
    const auto samples = std::max<int64_t>(4, window * rate / 1000);
    out.push_back({.window = samples,
                   .hop = std::max<int64_t>(1, hop * rate / 1000),
                   .fft = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(samples)))});
  }
  return out;
}

StftLoss stft_loss(const Tensor& made, const Tensor& real, const std::vector<StftShape>& resolutions) {
  expect_alike("stft_loss", made, real);
  if (resolutions.empty()) fail("[stft_loss] wants one resolution at least");
  Tensor convergence, magnitude;
  for (const auto& shape : resolutions) {
    const auto a = torch::view_as_real(stft(made, shape)).square().sum(-1).clamp_min(kFloor).sqrt();
    const auto b = torch::view_as_real(stft(real, shape)).square().sum(-1).clamp_min(kFloor).sqrt();
    const auto far = (b - a).norm() / b.norm(), logs = (b.log() - a.log()).abs().mean();
    convergence = convergence.defined() ? convergence + far : far;
    magnitude = magnitude.defined() ? magnitude + logs : logs;
  }
  const auto count = static_cast<double>(resolutions.size());
  return {convergence / count, magnitude / count};
}

Tensor mel_loss(const Tensor& made, const Tensor& real, const StftShape& shape, const MelBands& bands, double floor) {
  expect_alike("mel_loss", made, real);
  require(floor > 0, "[mel_loss] floor ({}) must be above 0", floor);
  const auto logs = [&](const Tensor& sound) { return mel_spectrogram(sound, shape, bands, 1).clamp_min(floor).log(); };
  return (logs(made) - logs(real)).abs().mean();
}

}  // namespace hadal
