#include "hadal/data/sound/mfcc.h"

#include <cmath>
#include <numbers>

namespace hadal {
namespace {

/// (coefficients, bands) float64: rows of the orthonormal DCT-II, liftered.
Tensor cosines(const MfccConfig& config) {
  const auto bands = static_cast<double>(config.mel.bands);
  auto out = torch::empty({config.coefficients, config.mel.bands}, torch::kFloat64);
  auto view = out.accessor<double, 2>();
  for (int64_t k = 0; k < config.coefficients; ++k) {
    const auto order = static_cast<double>(k);
    const auto lift =
        config.lifter > 0 ? 1 + config.lifter / 2 * std::sin(std::numbers::pi * (order + 1) / config.lifter) : 1;
    const auto norm = std::sqrt((k == 0 ? 1 : 2) / bands) * lift;
    for (int64_t n = 0; n < config.mel.bands; ++n)
      view[k][n] = norm * std::cos(std::numbers::pi * order * (static_cast<double>(n) + 0.5) / bands);
  }
  return out;
}

}  // namespace

Fields<MfccConfig> MfccConfig::fields() {
  using C = MfccConfig;
  return {{"mel", &C::mel, "the spectrogram below; its floor counts for nothing"},
          {"coefficients", &C::coefficients, "how many, from the lowest", at_least(1)},
          {"lifter", &C::lifter, "evens out the coefficients' sizes (0: not)", at_least(0)},
          {"range", &C::range, "decibels below the loudest that count (0: all)", at_least(0)}};
}

void MfccConfig::validate() const {
  mel.validate();
  require(coefficients <= mel.bands, "[mfcc] coefficients ({}) must be at most the bands ({})", coefficients,
          mel.bands);
}

Tensor mfcc(const Tensor& samples, const MfccConfig& config) {
  validate_config(config, "mfcc");
  constexpr double kLeast = 1e-10;  // librosa's and torchaudio's
  const auto mel = mel_spectrogram(samples, config.mel.stft(), config.mel.shape(), config.mel.power);
  auto decibels = 10 * mel.clamp_min(kLeast).log10();
  if (config.range > 0) decibels = decibels.maximum(decibels.detach().amax({-2, -1}, true) - config.range);
  return torch::matmul(cosines(config).to(decibels.options()), decibels);
}

}  // namespace hadal
