#include "hadal/ops/mel.h"

#include <cmath>

#include "hadal/core/shape.h"

namespace hadal {
namespace {

constexpr double kLinear = 200.0 / 3, kKnee = 1000, kKneeMel = kKnee / kLinear;
const double kLogStep = std::log(6.4) / 27;

double to_mel(double hertz, MelBands::Scale scale) {
  if (scale == MelBands::Scale::htk) return 2595 * std::log10(1 + hertz / 700);
  return hertz < kKnee ? hertz / kLinear : kKneeMel + std::log(hertz / kKnee) / kLogStep;
}

double to_hertz(double mel, MelBands::Scale scale) {
  if (scale == MelBands::Scale::htk) return 700 * (std::pow(10, mel / 2595) - 1);
  return mel < kKneeMel ? mel * kLinear : kKnee * std::exp(kLogStep * (mel - kKneeMel));
}

}  // namespace

Tensor mel_filters(const MelBands& bands, int64_t points) {
  require(bands.bands >= 1 && points >= 2, "[mel] bands ({}) must be at least 1, points ({}) at least 2", bands.bands,
          points);
  require(bands.low >= 0 && bands.low < bands.top() && bands.top() <= static_cast<double>(bands.rate) / 2,
          "[mel] frequencies from {} to {} Hz do not fit a rate of {}", bands.low, bands.top(), bands.rate);
  const auto bins = points / 2 + 1;
  const auto top = to_mel(bands.top(), bands.scale), bottom = to_mel(bands.low, bands.scale);
  const auto corner = [&](int64_t i) {
    return to_hertz(bottom + (top - bottom) * static_cast<double>(i) / static_cast<double>(bands.bands + 1),
                    bands.scale);
  };
  auto filters = torch::zeros({bands.bands, bins});
  auto view = filters.accessor<float, 2>();
  for (int64_t band = 0; band < bands.bands; ++band) {
    const auto left = corner(band), peak = corner(band + 1), right = corner(band + 2);
    const auto area = bands.even ? 2 / (right - left) : 1;
    for (int64_t bin = 0; bin < bins; ++bin) {
      const auto hertz = static_cast<double>(bin) * static_cast<double>(bands.rate) / static_cast<double>(points);
      const auto height = std::min((hertz - left) / (peak - left), (right - hertz) / (right - peak));
      view[band][bin] = static_cast<float>(std::max(0.0, height) * area);
    }
  }
  return filters;
}

Tensor mel_spectrogram(const Tensor& signal, const StftShape& shape, const MelBands& bands, int64_t power) {
  require(power == 1 || power == 2, "[mel] power is 1 or 2, got {}", power);
  const auto spectrum =
      power == 1 ? stft_magnitude(signal, shape) : torch::view_as_real(stft(signal, shape)).square().sum(-1);
  return torch::matmul(mel_filters(bands, shape.points()).to(spectrum.options()), spectrum);
}

Tensor mel_to_magnitude(const Tensor& mel, const MelBands& bands, int64_t points, int64_t power, int64_t iterations) {
  require(power == 1 || power == 2, "[mel] power is 1 or 2, got {}", power);
  if (mel.dim() < 2 || mel.size(-2) != bands.bands)
    fail("[mel] wants (..., {}, frames), got {}", bands.bands, shape_text(mel));
  const torch::NoGradGuard no_grad;
  constexpr double kLeast = 1e-20;
  const auto filters = mel_filters(bands, points).to(torch::kFloat64);
  const auto wanted = mel.cpu().to(torch::kFloat64).clamp_min(0), back = filters.t(), both = torch::mm(back, filters);
  const auto pulled = torch::matmul(back, wanted);
  // From each bin's share of its bands on; a bin in no band stays silent.
  auto x = pulled / filters.sum(0).clamp_min(kLeast).unsqueeze(1);
  for (int64_t i = 0; i < iterations; ++i) x = x * pulled / torch::matmul(both, x).clamp_min(kLeast);
  return (power == 2 ? x.sqrt() : x).to(mel.options());
}

}  // namespace hadal
