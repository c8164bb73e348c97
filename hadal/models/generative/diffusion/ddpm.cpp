#include "hadal/models/generative/diffusion/ddpm.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hadal {
namespace {

constexpr double kMostBeta = 0.999, kCosineOffset = 0.008;

struct Ddpm : Process {
  explicit Ddpm(const DdpmConfig& config) : config_(config) {
    const auto kept = (1 - ddpm_betas(config)).cumprod(0);
    signal_ = kept.sqrt();
    noise_ = (1 - kept).sqrt();
    const torch::Tensor places = (noise_ / signal_).log();
    log_places_.assign(places.const_data_ptr<double>(), places.const_data_ptr<double>() + places.numel());
  }

  Tensor draw(const Tensor& share) const override {
    return (share.to(torch::kCPU, torch::kFloat64) * config_.times).floor().clamp(0, config_.times - 1);
  }

  NoiseLevels at(const Tensor& times) const override {
    NoiseLevels out;
    out.time = times.to(torch::kCPU, torch::kFloat64);
    std::tie(out.signal, out.noise) = levels(out.time);
    const auto one = torch::ones_like(out.signal), zero = torch::zeros_like(out.signal);
    out.input = one;
    if (config_.predict == "noise") {
      out.skip = 1 / out.signal;
      out.out = -out.noise / out.signal;
      out.wanted_signal = zero;
      out.wanted_noise = one;
    } else if (config_.predict == "v") {  // Salimans & Ho 2022, arXiv:2202.00512, appendix D
      out.skip = out.signal;
      out.out = -out.noise;
      out.wanted_signal = -out.noise;
      out.wanted_noise = out.signal;
    } else {
      out.skip = zero;
      out.out = one;
      out.wanted_signal = one;
      out.wanted_noise = zero;
    }
    out.weight = loss_weight(config_.weight, config_.gamma, out);
    return out;
  }

  std::string name() const override { return "ddpm"; }
  int64_t discrete_times() const override { return config_.times; }
  double clean() const override { return -1; }
  double least() const override { return 0; }
  double most() const override { return static_cast<double>(config_.times - 1); }
  double time_at(double place) const override {
    const auto wanted = std::log(place);
    const auto above = std::upper_bound(log_places_.begin(), log_places_.end(), wanted);
    if (above == log_places_.begin()) return least();
    if (above == log_places_.end()) return most();
    const auto below = std::prev(above);
    return static_cast<double>(below - log_places_.begin()) + (wanted - *below) / (*above - *below);
  }
  double deviation() const override { return 1; }

 private:
  /// Between two times noise / signal is their geometric mean, weighted; before the first there is no noise.
  std::pair<Tensor, Tensor> levels(const Tensor& times) const {
    const auto below = times.floor().clamp(0, config_.times - 1).to(torch::kInt64);
    auto signal = signal_.index({below}), noise = noise_.index({below});
    const auto rest = times - below;
    if ((rest > 0).any().item<bool>()) {
      const auto above = (below + 1).clamp_max(config_.times - 1);
      const auto next = noise_.index({above}) / signal_.index({above});
      const auto place = (noise / signal).pow(1 - rest) * next.pow(rest);
      const auto between = rest > 0;
      signal = torch::where(between, (1 + place.square()).rsqrt(), signal);
      noise = torch::where(between, place * (1 + place.square()).rsqrt(), noise);
    }
    const auto clean = times < 0;
    return {signal.masked_fill(clean, 1), noise.masked_fill(clean, 0)};
  }

  DdpmConfig config_;
  Tensor signal_, noise_;
  std::vector<double> log_places_;
};

}  // namespace

Fields<DdpmConfig> DdpmConfig::fields() {
  return {
      {"times", &DdpmConfig::times, "steps in which a picture becomes noise", at_least(2)},
      {"betas", &DdpmConfig::betas, "how the share of noise grows from step to step",
       one_of({"linear", "scaled_linear", "cosine"})},
      {"beta_from", &DdpmConfig::beta_from, "linear ones: the first step's", {.low = 0, .high = 1, .low_open = true}},
      {"beta_to",
       &DdpmConfig::beta_to,
       "linear ones: the last step's",
       {.low = 0, .high = 1, .low_open = true, .high_open = true}},
      {"predict", &DdpmConfig::predict, "what the network says: the noise, the picture (x0), or v between both",
       one_of({"noise", "v", "x0"})},
      {"weight", &DdpmConfig::weight, "of the loss over time; min_snr evens the error of the picture",
       one_of({"none", "min_snr"})},
      {"gamma", &DdpmConfig::gamma, "min_snr: the most that signal over noise, squared, counts", above(0)}};
}

void DdpmConfig::validate() const {
  require(beta_from <= beta_to, "[process] beta_from ({}) must be at most beta_to ({})", beta_from, beta_to);
}

Tensor ddpm_betas(const DdpmConfig& config) {
  const auto linear = [&](double from, double to) { return torch::linspace(from, to, config.times, torch::kFloat64); };
  if (config.betas == "linear") return linear(config.beta_from, config.beta_to);
  if (config.betas == "scaled_linear") return linear(std::sqrt(config.beta_from), std::sqrt(config.beta_to)).square();
  const auto part = torch::arange(config.times + 1, torch::kFloat64) / config.times;
  const auto kept = ((part + kCosineOffset) / (1 + kCosineOffset) * (std::numbers::pi / 2)).cos().square();
  return (1 - kept.slice(0, 1) / kept.slice(0, 0, -1)).clamp_max(kMostBeta);
}

void register_ddpm(ProcessCatalog& catalog) {
  catalog.add("ddpm", "Diffusion in discrete steps, by noise, v or picture", DdpmConfig{},
              [](const DdpmConfig& config) { return std::make_shared<const Ddpm>(config); });
}

}  // namespace hadal
