#include "hadal/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hadal {
namespace {

/// From `start` at 0 to `end` at 1 along half a cosine.
double cosine(double start, double end, double along) {
  return end + (start - end) * 0.5 * (1 + std::cos(std::numbers::pi * along));
}

struct ConstantConfig {
  double warmup = 0;
  static Fields<ConstantConfig> fields() {
    return {{"warmup", &ConstantConfig::warmup, "share of the run in which the rate rises linearly from 0",
             from_below(0, 1)}};
  }
};

struct DecayConfig {
  double warmup = 0, final = 0;
  static Fields<DecayConfig> fields() {
    return {
        {"warmup", &DecayConfig::warmup, "share of the run in which the rate rises linearly from 0", from_below(0, 1)},
        {"final", &DecayConfig::final, "the rate at the end, as a share of the highest", between(0, 1)}};
  }
};

/// The rate rises for `warmup` of the run, then `fall(along)` takes it from 1 to `final`.
template <class Fall>
Schedule rise_and_fall(double warmup, const RunLength& run, Fall fall) {
  const auto rise = std::round(warmup * static_cast<double>(run.steps));
  const auto rest = std::max(1.0, static_cast<double>(run.steps) - rise);
  return [=](int64_t step) {
    const auto now = static_cast<double>(step);
    return Rates{.lr_factor = now < rise ? (now + 1) / (rise + 1) : fall(std::min(1.0, (now - rise) / rest))};
  };
}

/// Super-convergence (Smith & Topin 2018, arXiv:1708.07120), as PyTorch's OneCycleLR: lr is the highest rate.
struct OneCycleConfig {
  double pct_start = 0.3, div_factor = 25, final_div_factor = 1e4, base_momentum = 0.85, max_momentum = 0.95;
  bool cycle_momentum = true;
  std::string anneal = "cos";
  static Fields<OneCycleConfig> fields() {
    return {
        {"pct_start", &OneCycleConfig::pct_start, "share of the run in which the rate rises", between(0, 1)},
        {"div_factor", &OneCycleConfig::div_factor, "the first rate is the highest divided by this", above(0)},
        {"final_div_factor", &OneCycleConfig::final_div_factor, "the last rate is the first divided by this", above(0)},
        {"cycle_momentum", &OneCycleConfig::cycle_momentum, "move momentum (beta1) against the rate"},
        {"base_momentum", &OneCycleConfig::base_momentum, "momentum where the rate is highest", from_below(0, 1)},
        {"max_momentum", &OneCycleConfig::max_momentum, "momentum where the rate is lowest", from_below(0, 1)},
        {"anneal", &OneCycleConfig::anneal, "shape of the two ramps", one_of({"cos", "linear"})}};
  }
};

Schedule one_cycle(const OneCycleConfig& config, const RunLength& run) {
  const auto top = config.pct_start * static_cast<double>(run.steps) - 1, last = static_cast<double>(run.steps) - 1;
  const auto first = 1 / config.div_factor, end = first / config.final_div_factor;
  const auto ramp = [linear = config.anneal == "linear"](double from, double to, double along) {
    return linear ? from + (to - from) * along : cosine(from, to, along);
  };
  return [=](int64_t step) {
    const auto now = static_cast<double>(step);
    const bool rising = now <= top;
    const auto along = std::min(1.0, rising ? now / std::max(top, 1e-12) : (now - top) / std::max(last - top, 1e-12));
    Rates rates{.lr_factor = rising ? ramp(first, 1, along) : ramp(1, end, along)};
    if (config.cycle_momentum)
      rates.momentum = rising ? ramp(config.max_momentum, config.base_momentum, along)
                              : ramp(config.base_momentum, config.max_momentum, along);
    return rates;
  };
}

}  // namespace

const ScheduleCatalog& schedules() {
  static const auto catalog = [] {
    ScheduleCatalog made("schedule", "train.schedule");
    made.add("constant", "one rate throughout", ConstantConfig{},
             [](const ConstantConfig& config, const RunLength& run) {
               return rise_and_fall(config.warmup, run, [](double) { return 1.0; });
             });
    made.add("linear", "falls in a straight line", DecayConfig{}, [](const DecayConfig& config, const RunLength& run) {
      return rise_and_fall(config.warmup, run, [end = config.final](double along) { return 1 + (end - 1) * along; });
    });
    made.add("cosine", "falls along half a cosine", DecayConfig{}, [](const DecayConfig& config, const RunLength& run) {
      return rise_and_fall(config.warmup, run, [end = config.final](double along) { return cosine(1, end, along); });
    });
    made.add("one_cycle", "rises, then falls far below where it began", OneCycleConfig{}, one_cycle);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
