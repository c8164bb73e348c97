// What all schedules share: lengths in shares, steps or epochs, the choice to count steps or epochs, and the warm-up.
#pragma once
#include <string>

#include "hadal/optim/schedule.h"

namespace hadal {

/// A stretch of a run: a share of it (0.05), a count of what the schedule counts (500), or one with its unit
/// ("500 steps", "3 epochs").
struct Length {
  double number = 0;
  std::string unit = "";  // "", "steps" or "epochs"

  bool given() const { return number > 0; }
  bool is_share() const { return unit.empty() && number < 1; }
  std::string text() const;
};
template <>
struct Setting<Length> {
  static std::string type() { return "length"; }
  static Length read(const Value& value, const std::string& path, const Limit& limit);
  static Value write(const Length& length);
};

/// A run as a schedule counts it, in ticks: steps or epochs.
struct Span {
  int64_t ticks = 0;      // from the formula's tick 0, after the warm-up, to the end of the run
  int64_t run = 0;        // warm-up included: what shares are of
  int64_t per_epoch = 1;  // ticks in an epoch
  bool epochs = false;    // what a tick is

  /// Throws UsageError for steps where epochs are counted, and for a share that is more than the warm-up leaves. A
  /// share is at least one tick.
  int64_t of(const Length& length, const char* name) const;
  /// The tick at a place in the run: a share counts from its beginning, anything else from the end of the warm-up.
  int64_t place(const Length& length, const char* name) const;
  /// `length`, or up to the end of the run when it is not given.
  int64_t of_or_rest(const Length& length, const char* name) const;
};

/// The settings that every schedule has.
struct Pace {
  std::string every = "step";
  Length warmup = {};
};

/// The fields of a config that is a Pace, with those of Pace behind its own.
template <class C>
Fields<C> paced(Fields<C> own) {
  const Fields<C> shared = {
      {"every", static_cast<std::string C::*>(&C::every), "what it counts: the rate moves each step or each epoch",
       one_of({"step", "epoch"})},
      {"warmup", static_cast<Length C::*>(&C::warmup),
       "first the rate rises in a straight line: a share of the run, \"500 steps\" or \"3 epochs\""}};
  own.list.insert(own.list.end(), shared.list.begin(), shared.list.end());
  return own;
}

using TickFormula = std::function<Rates(int64_t tick)>;

/// The run after `pace`'s warm-up. Throws UsageError when the warm-up leaves nothing of it.
Span span_of(const Pace& pace, const RunLength& run);
/// `formula`, which counts ticks, by step and behind the warm-up.
Schedule on_pace(const Pace& pace, const RunLength& run, TickFormula formula);

/// Adds a schedule whose maker is given its config and its Span and answers with a TickFormula.
template <class C, class Make>
void add_schedule(ScheduleCatalog& catalog, const char* name, const char* about, const C& preset, Make make) {
  catalog.add(name, about, preset, [make](const C& config, const RunLength& run) {
    return on_pace(config, run, make(config, span_of(config, run)));
  });
}

/// From `start` at 0 to `end` at 1 along half a cosine.
double cosine_ramp(double start, double end, double along);

// Each file's part of the catalog.
void add_decays(ScheduleCatalog& catalog);
void add_cycles(ScheduleCatalog& catalog);
void add_plateau(ScheduleCatalog& catalog);
void add_formulas(ScheduleCatalog& catalog);
void add_combinations(ScheduleCatalog& catalog);

}  // namespace hadal
