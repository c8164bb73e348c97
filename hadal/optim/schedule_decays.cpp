// Rates that stay or fall.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "hadal/optim/schedule_pace.h"

namespace hadal {
namespace {

/// PyTorch's ConstantLR; without settings one rate throughout.
struct ConstantConfig : Pace {
  double factor = 1;
  Length length;
  static Fields<ConstantConfig> fields() {
    return paced<ConstantConfig>(
        {{"factor", &ConstantConfig::factor, "the rate of the beginning, as a share of lr", between(0, 1)},
         {"length", &ConstantConfig::length, "how long it stays there"}});
  }
  void validate() const {
    require(factor == 1 || length.given(),
            "train.schedule: a constant factor of {} wants a length, behind which the rate is lr; to train with less "
            "throughout, lower lr",
            factor);
  }
};

TickFormula constant(const ConstantConfig& config, const Span& span) {
  return [factor = config.factor, length = span.of(config.length, "length")](int64_t tick) {
    return Rates{.lr_factor = tick < length ? factor : 1};
  };
}

/// PyTorch's LinearLR, from lr to 0 over the run when nothing else is said.
struct LinearConfig : Pace {
  double start = 1, final = 0;
  Length length;
  static Fields<LinearConfig> fields() {
    return paced<LinearConfig>(
        {{"start", &LinearConfig::start, "the first rate, as a share of lr", between(0, 1)},
         {"final", &LinearConfig::final, "the last rate, as a share of lr", between(0, 1)},
         {"length", &LinearConfig::length, "how long the line is; the rest of the run when not given"}});
  }
};

TickFormula linear(const LinearConfig& config, const Span& span) {
  const auto length = static_cast<double>(span.of_or_rest(config.length, "length"));
  return [start = config.start, final = config.final, length](int64_t tick) {
    return Rates{.lr_factor = start + (final - start) * std::min(1.0, static_cast<double>(tick) / length)};
  };
}

/// PyTorch's PolynomialLR with a floor.
struct PolynomialConfig : Pace {
  double power = 1, final = 0;
  Length length;
  static Fields<PolynomialConfig> fields() {
    return paced<PolynomialConfig>(
        {{"power", &PolynomialConfig::power, "of the share that is left: 1 falls in a straight line", above(0)},
         {"final", &PolynomialConfig::final, "the last rate, as a share of lr", between(0, 1)},
         {"length", &PolynomialConfig::length, "how long it falls; the rest of the run when not given"}});
  }
};

TickFormula polynomial(const PolynomialConfig& config, const Span& span) {
  const auto length = static_cast<double>(span.of_or_rest(config.length, "length"));
  return [power = config.power, final = config.final, length](int64_t tick) {
    const auto left = 1 - std::min(1.0, static_cast<double>(tick) / length);
    return Rates{.lr_factor = final + (1 - final) * std::pow(left, power)};
  };
}

/// PyTorch's ExponentialLR.
struct ExponentialConfig : Pace {
  double gamma = 0;
  static Fields<ExponentialConfig> fields() {
    return paced<ExponentialConfig>(
        {{"gamma", &ExponentialConfig::gamma, "what the rate is multiplied with each step or epoch", at_least(0)}});
  }
  void validate() const {
    require(gamma > 0, "train.schedule: an exponential schedule wants gamma, the factor of each {}: gamma = 0.95",
            every);
  }
};

TickFormula exponential(const ExponentialConfig& config, const Span&) {
  return
      [gamma = config.gamma](int64_t tick) { return Rates{.lr_factor = std::pow(gamma, static_cast<double>(tick))}; };
}

/// PyTorch's StepLR.
struct StepConfig : Pace {
  Length period;
  double gamma = 0.1;
  static Fields<StepConfig> fields() {
    return paced<StepConfig>(
        {{"period", &StepConfig::period, "how long the rate stays: \"30 epochs\""},
         {"gamma", &StepConfig::gamma, "what the rate is multiplied with after each period", at_least(0)}});
  }
  void validate() const {
    require(period.given(), "train.schedule: a step schedule wants its period: period = \"30 epochs\"");
  }
};

TickFormula steps(const StepConfig& config, const Span& span) {
  return [gamma = config.gamma, period = span.of(config.period, "period")](int64_t tick) {
    return Rates{.lr_factor = std::pow(gamma, static_cast<double>(tick / period))};
  };
}

/// PyTorch's MultiStepLR.
struct MultiStepConfig : Pace {
  std::vector<Length> milestones;
  double gamma = 0.1;
  static Fields<MultiStepConfig> fields() {
    return paced<MultiStepConfig>(
        {{"milestones", &MultiStepConfig::milestones, "when the rate falls: [\"30 epochs\", \"60 epochs\"]"},
         {"gamma", &MultiStepConfig::gamma, "what it is multiplied with at each milestone", at_least(0)}});
  }
  void validate() const {
    require(!milestones.empty(),
            "train.schedule: a multi_step schedule wants its milestones: milestones = [\"30 epochs\", \"60 epochs\"]");
  }
};

TickFormula multi_step(const MultiStepConfig& config, const Span& span) {
  std::vector<int64_t> milestones;
  for (const auto& length : config.milestones) milestones.push_back(span.place(length, "milestones"));
  std::sort(milestones.begin(), milestones.end());
  return [gamma = config.gamma, milestones](int64_t tick) {
    const auto passed = std::upper_bound(milestones.begin(), milestones.end(), tick) - milestones.begin();
    return Rates{.lr_factor = std::pow(gamma, static_cast<double>(passed))};
  };
}

/// SGDR's half cosine (Loshchilov & Hutter 2017, arXiv:1608.03983), as PyTorch's CosineAnnealingLR: behind its length
/// it rises again.
struct CosineConfig : Pace {
  double final = 0;
  Length length;
  static Fields<CosineConfig> fields() {
    return paced<CosineConfig>(
        {{"final", &CosineConfig::final, "the lowest rate, as a share of lr", between(0, 1)},
         {"length", &CosineConfig::length, "how long it falls; the rest of the run when not given"}});
  }
};

TickFormula cosine(const CosineConfig& config, const Span& span) {
  const auto length = static_cast<double>(span.of_or_rest(config.length, "length"));
  return [final = config.final, length](int64_t tick) {
    return Rates{.lr_factor = cosine_ramp(1, final, static_cast<double>(tick) / length)};
  };
}

/// Noam's schedule (Vaswani et al. 2017, arXiv:1706.03762, section 5.3) with its peak at lr.
struct InverseSqrtConfig : Pace {
  static Fields<InverseSqrtConfig> fields() { return paced<InverseSqrtConfig>({}); }
  void validate() const {
    require(
        warmup.given(),
        "train.schedule: an inverse_sqrt schedule wants its warmup, which decides how fast it falls: warmup = 4000");
  }
};

Schedule inverse_sqrt(const InverseSqrtConfig& config, const RunLength& run) {
  const auto span = span_of(config, run);
  const auto warmup = static_cast<double>(span.run - span.ticks);
  return on_pace({.every = config.every}, run, [warmup](int64_t tick) {
    const auto now = static_cast<double>(tick + 1);
    return Rates{.lr_factor = std::min(now / warmup, std::sqrt(warmup / now))};
  });
}

/// Warm-up, stable, cool-down (Hu et al. 2024, arXiv:2404.06395); 1-sqrt: Hägele et al. 2024, arXiv:2405.18392.
struct WsdConfig : Pace {
  Length cooldown{0.2};
  std::string shape = "1-sqrt";
  double final = 0;
  static Fields<WsdConfig> fields() {
    return paced<WsdConfig>({{"cooldown", &WsdConfig::cooldown, "the end of the run, in which the rate falls"},
                             {"shape", &WsdConfig::shape, "how it falls", one_of({"1-sqrt", "linear", "cosine"})},
                             {"final", &WsdConfig::final, "where it falls to, as a share of lr", between(0, 1)}});
  }
};

TickFormula wsd(const WsdConfig& config, const Span& span) {
  const auto cooldown = span.of(config.cooldown, "cooldown");
  require(cooldown <= span.ticks, "[schedule] warmup and cooldown take {} of {} {}; make one of them shorter",
          span.run - span.ticks + cooldown, span.run, span.epochs ? "epochs" : "steps");
  return [shape = config.shape, final = config.final, begin = span.ticks - cooldown, cooldown](int64_t tick) {
    if (tick <= begin) return Rates{};
    const auto along = std::min(1.0, static_cast<double>(tick - begin) / static_cast<double>(cooldown));
    const auto left = shape == "linear"   ? 1 - along
                      : shape == "cosine" ? cosine_ramp(1, 0, along)
                                          : 1 - std::sqrt(along);
    return Rates{.lr_factor = final + (1 - final) * left};
  };
}

template <class C>
C by_epoch() {
  C config;
  config.every = "epoch";
  return config;
}

}  // namespace

void add_decays(ScheduleCatalog& catalog) {
  add_schedule(catalog, "constant", "one rate throughout, or a smaller one at first", ConstantConfig{}, constant);
  add_schedule(catalog, "linear", "goes in a straight line", LinearConfig{}, linear);
  add_schedule(catalog, "polynomial", "falls by a power of what is left", PolynomialConfig{}, polynomial);
  add_schedule(catalog, "exponential", "falls by a factor each epoch", by_epoch<ExponentialConfig>(), exponential);
  add_schedule(catalog, "step", "falls by a factor each period", by_epoch<StepConfig>(), steps);
  add_schedule(catalog, "multi_step", "falls by a factor at each milestone", by_epoch<MultiStepConfig>(), multi_step);
  add_schedule(catalog, "cosine", "falls along half a cosine", CosineConfig{}, cosine);
  catalog.add("inverse_sqrt", "rises, then falls with the root of the step (Noam)", InverseSqrtConfig{}, inverse_sqrt);
  add_schedule(catalog, "wsd", "rises, stays, and falls in a cool-down at the end", WsdConfig{}, wsd);
}

}  // namespace hadal
