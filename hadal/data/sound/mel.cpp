#include "hadal/data/sound/mel.h"

#include <cmath>

namespace hadal {
namespace {

// Slaney's scale (Auditory Toolbox, 1998): linear up to 1 kHz, logarithmic above.
constexpr double kLinear = 200.0 / 3, kKnee = 1000, kKneeMel = kKnee / kLinear;
const double kLogStep = std::log(6.4) / 27;

double to_mel(double hertz) { return hertz < kKnee ? hertz / kLinear : kKneeMel + std::log(hertz / kKnee) / kLogStep; }
double to_hertz(double mel) { return mel < kKneeMel ? mel * kLinear : kKnee * std::exp(kLogStep * (mel - kKneeMel)); }

}  // namespace

Fields<MelConfig> MelConfig::fields() {
  using C = MelConfig;
  return {{"rate", &C::rate, "samples a second that sounds must have", at_least(1)},
          {"window", &C::window, "samples of a window", at_least(2)},
          {"hop", &C::hop, "samples from one window to the next", at_least(1)},
          {"bands", &C::bands, "mel bands: the channels of the series", at_least(1)},
          {"low", &C::low, "lowest frequency, in Hz", at_least(0)},
          {"high", &C::high, "highest frequency, in Hz (0: half the rate)", at_least(0)},
          {"floor", &C::floor, "added to the energy before the logarithm", above(0)}};
}

void MelConfig::validate() const {
  const auto top = high > 0 ? high : static_cast<double>(rate) / 2;
  require(low < top && top <= static_cast<double>(rate) / 2,
          "[mel] frequencies from {} to {} Hz do not fit a rate of {}", low, top, rate);
}

Tensor mel_filters(const MelConfig& config) {
  validate_config(config, "mel");
  const auto bins = config.window / 2 + 1;
  const auto top = to_mel(config.high > 0 ? config.high : static_cast<double>(config.rate) / 2),
             bottom = to_mel(config.low);
  const auto corner = [&](int64_t i) {
    return to_hertz(bottom + (top - bottom) * static_cast<double>(i) / static_cast<double>(config.bands + 1));
  };
  auto filters = torch::zeros({config.bands, bins});
  auto view = filters.accessor<float, 2>();
  for (int64_t band = 0; band < config.bands; ++band) {
    const auto left = corner(band), peak = corner(band + 1), right = corner(band + 2);
    for (int64_t bin = 0; bin < bins; ++bin) {
      const auto hertz = static_cast<double>(bin * config.rate) / static_cast<double>(config.window);
      const auto height = std::min((hertz - left) / (peak - left), (right - hertz) / (right - peak));
      view[band][bin] = static_cast<float>(std::max(0.0, height) * 2 / (right - left));
    }
  }
  return filters;
}

Tensor log_mel(const Tensor& samples, const MelConfig& config) {
  const auto half = config.window / 2;
  const auto batch = samples.view({1, 1, -1});
  const auto padded = samples.numel() > half ? torch::reflection_pad1d(batch, {half, half})
                                             : torch::constant_pad_nd(batch, {half, half});
  const auto spectrum = torch::stft(padded.view({-1}), config.window, config.hop, config.window,
                                    torch::hann_window(config.window), /*center=*/false, /*pad_mode=*/"reflect",
                                    /*normalized=*/false, /*onesided=*/true, /*return_complex=*/true);
  return (torch::mm(mel_filters(config), torch::view_as_real(spectrum).square().sum(-1)) + config.floor).log();
}

}  // namespace hadal
