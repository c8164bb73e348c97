#include "hadal/models/generative/diffusion/flow.h"

#include "hadal/models/generative/diffusion/shares.h"

namespace hadal {
namespace {

constexpr double kLeast = 1e-3;  // where spacings that need a least time have it

struct Flow : Process {
  explicit Flow(const FlowConfig& config) : config_(config) {}

  Tensor draw(const Tensor& share) const override {
    if (config_.times == "uniform") return share.to(torch::kCPU, torch::kFloat64);
    return (config_.mean + config_.spread * normal_of_share(share)).sigmoid();
  }

  NoiseLevels at(const Tensor& times) const override {
    NoiseLevels out;
    const auto t = times.to(torch::kCPU, torch::kFloat64);
    const auto one = torch::ones_like(t);
    out.signal = 1 - t;
    out.noise = t;
    out.input = one;
    out.time = config_.time_scale * t;
    out.skip = one;
    out.out = -t;
    out.wanted_signal = -one;
    out.wanted_noise = one;
    out.weight = loss_weight(config_.weight, config_.gamma, out);
    return out;
  }

  std::string name() const override { return "flow"; }
  double clean() const override { return 0; }
  double least() const override { return kLeast; }
  double most() const override { return 1; }
  bool straight() const override { return true; }
  double deviation() const override { return 1; }

 private:
  FlowConfig config_;
};

}  // namespace

Fields<FlowConfig> FlowConfig::fields() {
  return {{"times", &FlowConfig::times, "how training draws times; logit_normal prefers the middle (arXiv:2403.03206)",
           one_of({"uniform", "logit_normal"})},
          {"mean", &FlowConfig::mean, "logit_normal: more noise above 0, less below"},
          {"spread", &FlowConfig::spread, "logit_normal: its deviation", above(0)},
          {"time_scale", &FlowConfig::time_scale, "the network is told this times t", above(0)},
          {"weight", &FlowConfig::weight, "of the loss over time; min_snr evens the error of the picture",
           one_of({"none", "min_snr"})},
          {"gamma", &FlowConfig::gamma, "min_snr: the most that signal over noise, squared, counts", above(0)}};
}

void register_flow(ProcessCatalog& catalog) {
  catalog.add("flow", "Rectified flow: a straight way from noise to picture", FlowConfig{},
              [](const FlowConfig& config) { return std::make_shared<const Flow>(config); });
}

}  // namespace hadal
