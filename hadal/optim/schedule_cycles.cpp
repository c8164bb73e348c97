// Rates that rise and fall, with momentum against them.
#include <algorithm>
#include <cmath>

#include "hadal/optim/schedule_formula.h"
#include "hadal/optim/schedule_pace.h"

namespace hadal {
namespace {

/// Warm restarts (Loshchilov & Hutter 2017, arXiv:1608.03983), as PyTorch's CosineAnnealingWarmRestarts.
struct WarmRestartsConfig : Pace {
  Length period;
  int64_t factor = 1;
  double final = 0;
  static Fields<WarmRestartsConfig> fields() {
    return paced<WarmRestartsConfig>(
        {{"period", &WarmRestartsConfig::period, "how long the first cosine is"},
         {"factor", &WarmRestartsConfig::factor, "each is this many times as long as the one before", between(1, 1000)},
         {"final", &WarmRestartsConfig::final, "the lowest rate, as a share of lr", between(0, 1)}});
  }
  void validate() const {
    require(period.given(), "train.schedule: a warm_restarts schedule wants its period: period = \"10 epochs\"");
  }
};

TickFormula warm_restarts(const WarmRestartsConfig& config, const Span& span) {
  return [first = span.of(config.period, "period"), factor = config.factor, final = config.final](int64_t tick) {
    auto begin = factor == 1 ? tick - tick % first : 0, length = first;
    while (tick - begin >= length) begin += length, length *= factor;
    return Rates{.lr_factor = cosine_ramp(1, final, static_cast<double>(tick - begin) / static_cast<double>(length))};
  };
}

/// Cyclical rates (Smith 2017, arXiv:1506.01186), as PyTorch's CyclicLR with lr as the highest rate.
struct CyclicConfig : Pace {
  double base = 0.1, gamma = 1, base_momentum = 0.8, max_momentum = 0.9;
  Length up, down;
  std::string mode = "triangular", scale = "1", scale_by = "cycle";
  bool cycle_momentum = true;
  static Fields<CyclicConfig> fields() {
    using C = CyclicConfig;
    return paced<C>(
        {{"base", &C::base, "the lowest rate, as a share of lr", between(0, 1)},
         {"up", &C::up, "how long the rate rises"},
         {"down", &C::down, "how long it falls; as long as it rises when not given"},
         {"mode", &C::mode, "height of the triangles: one, half the one before, gamma^t, or a formula of your own",
          one_of({"triangular", "triangular2", "exp_range", "formula"})},
         {"gamma", &C::gamma, "base of exp_range", at_least(0)},
         {"scale", &C::scale, "with mode = \"formula\": the height, of x: \"1 / (1 + x)\""},
         {"scale_by", &C::scale_by, "what x counts: cycles from 1, or steps (epochs) from 0",
          one_of({"cycle", "iterations"})},
         {"cycle_momentum", &C::cycle_momentum, "move momentum (beta1) against the rate"},
         {"base_momentum", &C::base_momentum, "momentum where the rate is highest", from_below(0, 1)},
         {"max_momentum", &C::max_momentum, "momentum where the rate is lowest", from_below(0, 1)}});
  }
  void validate() const {
    require(up.given(), "train.schedule: a cyclic schedule wants the length of its rise: up = \"2 epochs\"");
    parse_formula(scale, {"x"}, "train.schedule.scale");
  }
};

std::function<double(double cycle, double tick)> height_of(const CyclicConfig& config) {
  if (config.mode == "triangular2") return [](double cycle, double) { return std::exp2(1 - cycle); };
  if (config.mode == "exp_range") return [gamma = config.gamma](double, double tick) { return std::pow(gamma, tick); };
  if (config.mode == "formula")
    return
        [by_cycle = config.scale_by == "cycle", formula = parse_formula(config.scale, {"x"}, "train.schedule.scale")](
            double cycle, double tick) { return formula({by_cycle ? cycle : tick}); };
  return [](double, double) { return 1.0; };
}

TickFormula cyclic(const CyclicConfig& config, const Span& span) {
  const auto up = span.of(config.up, "up"), down = config.down.given() ? span.of(config.down, "down") : up;
  return [=, height = height_of(config)](int64_t tick) {
    const auto cycle = tick / (up + down), place = tick % (up + down);
    const auto share = place <= up ? static_cast<double>(place) / static_cast<double>(up)
                                   : static_cast<double>(up + down - place) / static_cast<double>(down);
    const auto risen = share * height(static_cast<double>(cycle + 1), static_cast<double>(tick));
    Rates rates{.lr_factor = config.base + (1 - config.base) * risen};
    if (config.cycle_momentum)
      rates.momentum = config.max_momentum - (config.max_momentum - config.base_momentum) * risen;
    return rates;
  };
}

/// Super-convergence (Smith & Topin 2018, arXiv:1708.07120), as PyTorch's OneCycleLR: lr is the highest rate.
struct OneCycleConfig : Pace {
  double pct_start = 0.3, div_factor = 25, final_div_factor = 1e4, base_momentum = 0.85, max_momentum = 0.95;
  bool cycle_momentum = true, three_phase = false;
  std::string anneal = "cos";
  Length length;
  static Fields<OneCycleConfig> fields() {
    using C = OneCycleConfig;
    return paced<C>({{"pct_start", &C::pct_start, "share of the cycle in which the rate rises", between(0, 1)},
                     {"div_factor", &C::div_factor, "the first rate is the highest divided by this", above(0)},
                     {"final_div_factor", &C::final_div_factor, "the last rate is the first divided by this", above(0)},
                     {"cycle_momentum", &C::cycle_momentum, "move momentum (beta1) against the rate"},
                     {"base_momentum", &C::base_momentum, "momentum where the rate is highest", from_below(0, 1)},
                     {"max_momentum", &C::max_momentum, "momentum where the rate is lowest", from_below(0, 1)},
                     {"anneal", &C::anneal, "shape of the ramps", one_of({"cos", "linear"})},
                     {"three_phase", &C::three_phase, "fall to the first rate as fast as it rose, then to the last"},
                     {"length", &C::length, "how long the cycle is; the rest of the run when not given"}});
  }
  void validate() const {
    require(!three_phase || pct_start <= 0.5,
            "train.schedule.pct_start ({}) must be at most 0.5 with three_phase: the rate falls as long as it rises",
            pct_start);
  }
};

TickFormula one_cycle(const OneCycleConfig& config, const Span& span) {
  struct Phase {
    double end, from, to, from_momentum, to_momentum;
  };
  const auto length = static_cast<double>(span.of_or_rest(config.length, "length"));
  const auto first = 1 / config.div_factor, last = first / config.final_div_factor;
  const auto low = config.base_momentum, high = config.max_momentum, top = config.pct_start * length - 1;
  std::vector<Phase> phases = {{top, first, 1, high, low}};
  if (config.three_phase)
    phases.insert(phases.end(), {{2 * top, 1, first, low, high}, {length - 1, first, last, high, high}});
  else
    phases.push_back({length - 1, 1, last, low, high});
  const auto ramp = [linear = config.anneal == "linear"](double from, double to, double along) {
    return linear ? from + (to - from) * along : cosine_ramp(from, to, along);
  };
  return [phases, ramp, cycle_momentum = config.cycle_momentum](int64_t tick) {
    const auto now = static_cast<double>(tick);
    double begin = 0;
    auto phase = phases.begin();
    for (; now > phase->end && phase + 1 != phases.end(); ++phase) begin = phase->end;
    const auto along = std::min(1.0, (now - begin) / std::max(phase->end - begin, 1e-12));
    Rates rates{.lr_factor = ramp(phase->from, phase->to, along)};
    if (cycle_momentum) rates.momentum = ramp(phase->from_momentum, phase->to_momentum, along);
    return rates;
  };
}

}  // namespace

void add_cycles(ScheduleCatalog& catalog) {
  add_schedule(catalog, "warm_restarts", "falls along half a cosine, again and again", WarmRestartsConfig{},
               warm_restarts);
  add_schedule(catalog, "cyclic", "rises and falls in triangles", CyclicConfig{}, cyclic);
  add_schedule(catalog, "one_cycle", "rises, then falls far below where it began", OneCycleConfig{}, one_cycle);
}

}  // namespace hadal
