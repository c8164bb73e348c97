#include "hadal/data/sound/mel.h"

namespace hadal {

Fields<MelConfig> MelConfig::fields() {
  using C = MelConfig;
  return {{"rate", &C::rate, "samples a second; sounds of another rate are brought to it", at_least(1)},
          {"window", &C::window, "samples of a window", at_least(2)},
          {"hop", &C::hop, "samples from one window to the next", at_least(1)},
          {"bands", &C::bands, "mel bands: the channels of the series", at_least(1)},
          {"low", &C::low, "lowest frequency, in Hz", at_least(0)},
          {"high", &C::high, "highest frequency, in Hz (0: half the rate)", at_least(0)},
          {"floor", &C::floor, "added before the logarithm", above(0)},
          {"scale", &C::scale, "of the bands: slaney is librosa's, htk torchaudio's", one_of({"slaney", "htk"})},
          {"norm", &C::norm, "of the bands: slaney gives each the same area, none the same height",
           one_of({"slaney", "none"})},
          {"power", &C::power, "2: the bands hold energies, 1: magnitudes", between(1, 2)}};
}

MelBands MelConfig::shape() const {
  return {.rate = rate,
          .bands = bands,
          .low = low,
          .high = high,
          .scale = scale == "htk" ? MelBands::Scale::htk : MelBands::Scale::slaney,
          .even = norm == "slaney"};
}

void MelConfig::validate() const {
  const auto top = shape().top();
  require(low < top && top <= static_cast<double>(rate) / 2,
          "[mel] frequencies from {} to {} Hz do not fit a rate of {}", low, top, rate);
}

Tensor mel_filters(const MelConfig& config) {
  validate_config(config, "mel");
  return mel_filters(config.shape(), config.window);
}

Tensor log_mel(const Tensor& samples, const MelConfig& config) {
  validate_config(config, "mel");
  return (mel_spectrogram(samples, config.stft(), config.shape(), config.power) + config.floor).log();
}

LogMelStream::LogMelStream(const MelConfig& config)
    : config_(config), inside_(config.stft()), kept_(torch::empty({0})), last_(torch::empty({0})) {
  validate_config(config, "mel");
  inside_.ends = StftShape::Ends::cut;
}

void LogMelStream::take_frames() {
  const auto length = kept_.size(0);
  if (length < config_.window) return;
  const auto frames = (length - config_.window) / config_.hop + 1;
  out_.push_back((mel_spectrogram(kept_, inside_, config_.shape(), config_.power) + config_.floor).log());
  kept_ = kept_.slice(0, std::min(length, frames * config_.hop)).clone();
  skip_ = std::max<int64_t>(frames * config_.hop - length, 0);
}

void LogMelStream::push(const Tensor& samples) {
  const torch::NoGradGuard no_grad;
  const auto half = config_.window / 2;
  const auto dropped = std::min(skip_, samples.size(0));
  skip_ -= dropped;
  last_ = torch::cat({last_, samples});
  last_ = last_.slice(0, std::max<int64_t>(0, last_.size(0) - half - 1)).clone();
  kept_ = torch::cat({kept_, samples.slice(0, dropped)});
  if (!begun_) {
    if (kept_.size(0) <= half) return;
    kept_ = torch::cat({kept_.slice(0, 1, half + 1).flip(0), kept_});
    begun_ = true;
  }
  take_frames();
}

Tensor LogMelStream::finish() {
  const torch::NoGradGuard no_grad;
  if (!begun_) {
    if (kept_.size(0) == 0) fail("[mel] a sound without a sample has no spectrogram");
    return log_mel(kept_, config_);
  }
  const auto half = config_.window / 2, there = last_.size(0);
  push(last_.slice(0, there - 1 - half, there - 1).flip(0));
  return torch::cat(out_, 1);
}

}  // namespace hadal
