#include "hadal/models/generative/diffusion/consistency.h"

#include <algorithm>
#include <cmath>

#include <ATen/Context.h>

#include "hadal/core/shape.h"

namespace hadal {
namespace {

constexpr double kRho = 7, kNearer = 8;

/// The stage of `count` that training is in when `done` of it is over, from 0.
int64_t stage_of(double done, int64_t count) {
  return std::clamp<int64_t>(static_cast<int64_t>(done * static_cast<double>(count)), 0, count - 1);
}

/// N times from the least to the most, even in their root.
Tensor spaced_times(const Process& process, int64_t count) {
  const auto root = [](double time) { return std::pow(time, 1 / kRho); };
  return torch::linspace(root(process.least()), root(process.most()), count, torch::kFloat64).pow(kRho);
}

ConsistencyPair neighbours(const ConsistencyConfig& config, const Process& process, const Tensor& drawn, double done) {
  const auto ratio = static_cast<double>(config.to) / static_cast<double>(config.from);
  const auto stage = stage_of(done, static_cast<int64_t>(std::log2(ratio)) + 1);
  const auto times = spaced_times(process, std::min(config.from << stage, config.to) + 1);
  const auto place = torch::searchsorted(times, drawn, false, true).clamp(1, times.numel() - 1);
  return {times.index({place}), times.index({place - 1})};
}

/// The picture that the network says x_t is of.
Tensor seen(const NoiseLevels& levels, const DenoisingNetwork& network, const Tensor& x_t, const Tensor& labels) {
  return denoised(levels, x_t, network_output(levels, network, x_t, labels));
}

void expect_continuous(const Process& process) {
  require(process.discrete_times() == 0, "[consistency] wants a process over continuous time, edm or flow; got {}",
          process.name());
}

}  // namespace

Fields<ConsistencyConfig> ConsistencyConfig::fields() {
  using C = ConsistencyConfig;
  return {{"pairs", &C::pairs, "how two times of a pair come closer: by their ratio, or as neighbours among more steps",
           one_of({"ratio", "steps"})},
          {"stages", &C::stages, "ratio: stages of equal length, the first plain diffusion", between(1, 30)},
          {"ratio", &C::ratio, "ratio: how many times closer a pair is in the next stage", above(1)},
          {"from", &C::from, "steps: how many at first", at_least(2)},
          {"to", &C::to, "steps: how many in the end", between(2, 1 << 20)},
          {"huber", &C::huber, "errors below this, a value's, count less", above(0)}};
}

void ConsistencyConfig::validate() const {
  require(from <= to, "[consistency] from ({}) must be at most to ({})", from, to);
}

ConsistencyPair consistency_pair(const ConsistencyConfig& config, const Process& process, const Tensor& share,
                                 double done) {
  validate_config(config, "consistency");
  expect_continuous(process);
  const auto t = process.draw(share);
  if (config.pairs == "steps") return neighbours(config, process, t, done);
  const auto nearer = std::pow(config.ratio, -static_cast<double>(stage_of(done, config.stages)));
  const auto more = 1 + kNearer * torch::sigmoid(-t);
  return {t, t * (1 - nearer * more).clamp_min(0)};
}

Tensor consistency_loss(const ConsistencyConfig& config, const Process& process, const DenoisingNetwork& network,
                        const ConsistencyPair& pair, const Tensor& x, const Tensor& noise, const Tensor& labels) {
  expect_continuous(process);
  const auto levels = process.at(pair.t);
  auto generator = at::globalContext().defaultGenerator(x.device());
  const auto state = generator.get_state();
  Tensor teacher = x;
  const auto clean = pair.r <= 0;
  if (!clean.all().item<bool>()) {
    const torch::NoGradGuard no_grad;
    const auto nearer = process.at(torch::where(clean, pair.t, pair.r));
    const auto of_network = seen(nearer, network, noised(nearer, x, noise), labels);
    teacher = torch::where(for_each_picture(clean.to(torch::kFloat64), x) > 0, x, of_network);
    generator.set_state(state);  // the same dropout
  }
  const auto difference = seen(levels, network, noised(levels, x, noise), labels) - teacher;
  const auto values = static_cast<double>(x.numel()) / static_cast<double>(std::max<int64_t>(x.size(0), 1));
  const auto c = config.huber * std::sqrt(values);
  const auto error = (difference.square().flatten(1).sum(1) + c * c).sqrt() - c;
  return error / (pair.t - pair.r).to(error.options());
}

Tensor consistency_sample(const Process& process, const DenoisingNetwork& network, const Tensor& noise,
                          const Tensor& labels, const std::vector<double>& times,
                          const std::function<Tensor(int64_t step)>& fresh) {
  expect_continuous(process);
  require(times.empty() || fresh, "[consistency] {} further looks want fresh noise", times.size());
  const torch::NoGradGuard no_grad;
  const auto at = [&](double time) { return process.at(torch::full({noise.size(0)}, time, torch::kFloat64)); };
  auto x = seen(at(process.most()), network, process.deviation() * noise, labels).clamp(-1, 1);
  for (size_t i = 0; i < times.size(); ++i) {
    const auto levels = at(times[i]);
    const auto x_t = noised(levels, x, fresh(static_cast<int64_t>(i)).to(x.options()));
    x = seen(levels, network, x_t, labels).clamp(-1, 1);
  }
  return x;
}

}  // namespace hadal
