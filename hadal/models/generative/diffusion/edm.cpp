#include "hadal/models/generative/diffusion/edm.h"

#include "hadal/models/generative/diffusion/shares.h"

namespace hadal {
namespace {

struct Edm : Process {
  explicit Edm(const EdmConfig& config) : config_(config) {}

  Tensor draw(const Tensor& share) const override {
    return (config_.mean + config_.spread * normal_of_share(share)).exp();
  }

  NoiseLevels at(const Tensor& times) const override {
    NoiseLevels out;
    const auto noise = times.to(torch::kCPU, torch::kFloat64);
    const auto data = config_.data_deviation;
    const torch::Tensor total = (noise.square() + data * data).sqrt();
    out.signal = torch::ones_like(noise);
    out.noise = noise;
    out.input = 1 / total;
    out.time = config_.time_scale * noise.log() / 4;
    out.skip = data * data / total.square();
    out.out = noise * data / total;
    // (x - skip (x + noise e)) / out
    out.wanted_signal = noise / (data * total);
    out.wanted_noise = -data / total;
    out.weight = loss_weight(config_.weight, config_.gamma, out);
    return out;
  }

  std::string name() const override { return "edm"; }
  double clean() const override { return 0; }
  double least() const override { return config_.least; }
  double most() const override { return config_.most; }
  double deviation() const override { return config_.most; }

 private:
  EdmConfig config_;
};

}  // namespace

Fields<EdmConfig> EdmConfig::fields() {
  return {{"data_deviation", &EdmConfig::data_deviation, "standard deviation of the pictures' values", above(0)},
          {"mean", &EdmConfig::mean, "training: mean of the logarithm of the noise's deviation"},
          {"spread", &EdmConfig::spread, "training: deviation of that logarithm", above(0)},
          {"least", &EdmConfig::least, "sampling: the noise's deviation before the last step", above(0)},
          {"most", &EdmConfig::most, "sampling: the noise's deviation at the beginning", above(0)},
          {"time_scale", &EdmConfig::time_scale, "the network is told this times a quarter of the logarithm", above(0)},
          {"weight", &EdmConfig::weight, "of the loss over noise; none is the paper's, 1 for what the network says",
           one_of({"none", "min_snr"})},
          {"gamma", &EdmConfig::gamma, "min_snr: the most that signal over noise, squared, counts", above(0)}};
}

void EdmConfig::validate() const {
  require(least < most, "[process] least ({}) must be less than most ({})", least, most);
}

void register_edm(ProcessCatalog& catalog) {
  catalog.add("edm", "Diffusion over the noise's deviation, in and out scaled (Karras et al.)", EdmConfig{},
              [](const EdmConfig& config) { return std::make_shared<const Edm>(config); });
}

}  // namespace hadal
