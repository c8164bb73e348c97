#include "hadal/optim/schedule.h"

#include <algorithm>
#include <cmath>

#include "hadal/optim/schedule_pace.h"

namespace hadal {

/// A schedule within a schedule.
struct SchedulePart : Part {};
template <>
struct Setting<SchedulePart> {
  static std::string type() { return "schedule"; }
  static SchedulePart read(const Value& value, const std::string& path, const Limit&) {
    return {read_part(value, path, schedules().kinds())};
  }
  static Value write(const SchedulePart& part) { return write_part(part, schedules().kinds()); }
};

namespace {

struct ChainedConfig : Pace {
  std::vector<SchedulePart> parts;
  static Fields<ChainedConfig> fields() {
    return paced<ChainedConfig>({{"parts", &ChainedConfig::parts,
                                  "the schedules whose factors multiply: [\"cosine\", { name = \"step\", ... }]"}});
  }
  void validate() const {
    require(!parts.empty(), "train.schedule: a chained schedule wants its parts: parts = [\"cosine\", \"plateau\"]");
  }
};

struct SequentialConfig : Pace {
  std::vector<SchedulePart> parts;
  std::vector<Length> milestones;
  static Fields<SequentialConfig> fields() {
    using C = SequentialConfig;
    return paced<C>({{"parts", &C::parts, "the schedules that follow each other; each spans the steps up to the next"},
                     {"milestones", &C::milestones, "when the second begins, the third, ...: [0.1, \"30 epochs\"]"}});
  }
  void validate() const {
    require(!parts.empty(),
            "train.schedule: a sequential schedule wants its parts and milestones: parts = "
            "[\"constant\", \"cosine\"], milestones = [0.5]");
    require(milestones.size() + 1 == parts.size(), "train.schedule.milestones: {} schedules want {} milestones, got {}",
            parts.size(), parts.size() - 1, milestones.size());
  }
};

/// The whole of a run behind the warm-up, in steps, so that parts may count as they like.
RunLength behind_warmup(const Pace& pace, const RunLength& run) {
  const auto span = span_of(pace, run);
  const auto warmup = (span.run - span.ticks) * (span.epochs ? run.steps_per_epoch : 1);
  return {run.steps - warmup, run.steps_per_epoch};
}

/// Puts `whole`, which begins behind the warm-up, on the pace of `pace`.
Schedule behind(const Pace& pace, const RunLength& run, Schedule whole) {
  const auto warmup = run.steps - behind_warmup(pace, run).steps;
  const auto rise = on_pace({pace.every, pace.warmup}, run, [](int64_t) { return Rates{}; });
  auto plateaus = whole.plateaus;
  return {[=, whole = std::move(whole)](int64_t step) {
            auto rates = whole(std::max<int64_t>(0, step - warmup));
            if (step < warmup) rates.lr_factor *= rise(step).lr_factor;
            return rates;
          },
          std::move(plateaus)};
}

Schedule chained(const ChainedConfig& config, const RunLength& run) {
  std::vector<Schedule> parts;
  for (const auto& part : config.parts)
    parts.push_back(schedules().make_at("train.schedule.parts", part, behind_warmup(config, run)));
  return behind(config, run, chained_schedule(std::move(parts)));
}

Schedule sequential(const SequentialConfig& config, const RunLength& run) {
  const auto rest = behind_warmup(config, run);
  const auto span = span_of(config, run);
  std::vector<int64_t> begins = {0};
  for (const auto& milestone : config.milestones)
    begins.push_back(span.place(milestone, "milestones") * (span.epochs ? run.steps_per_epoch : 1));
  require(begins.back() < rest.steps,
          "[schedule] the last part of a sequential schedule begins at step {}, the run has {}", begins.back(),
          rest.steps);
  std::vector<Schedule> parts;
  for (size_t i = 0; i < config.parts.size(); ++i) {
    const auto end = i + 1 < begins.size() ? begins[i + 1] : rest.steps;
    require(end > begins[i], "[schedule] milestones must rise, got {} after {}", end, begins[i]);
    parts.push_back(
        schedules().make_at("train.schedule.parts", config.parts[i], RunLength{end - begins[i], run.steps_per_epoch}));
  }
  return behind(config, run, sequential_schedule(std::move(parts), {begins.begin() + 1, begins.end()}));
}

}  // namespace

Schedule chained_schedule(std::vector<Schedule> parts) {
  Schedule all;
  for (const auto& part : parts) all.plateaus.insert(all.plateaus.end(), part.plateaus.begin(), part.plateaus.end());
  all.formula = [parts = std::move(parts)](int64_t step) {
    Rates rates;
    for (const auto& part : parts) {
      const auto own = part(step);
      rates.lr_factor *= own.lr_factor;
      if (own.momentum) rates.momentum = own.momentum;
    }
    return rates;
  };
  return all;
}

Schedule sequential_schedule(std::vector<Schedule> parts, std::vector<int64_t> milestones) {
  require(milestones.size() + 1 == parts.size(), "[schedule] {} schedules want {} milestones, got {}", parts.size(),
          std::max<int64_t>(0, std::ssize(parts) - 1), milestones.size());
  for (size_t i = 1; i < milestones.size(); ++i)
    require(milestones[i - 1] < milestones[i], "[schedule] milestones must rise, got {} after {}", milestones[i],
            milestones[i - 1]);
  // It would see scores, and spend its patience, before its turn.
  for (const auto& part : parts)
    require(part.plateaus.empty(),
            "[schedule] a plateau follows scores, not steps: it can be part of a chained "
            "schedule, not of a sequential one");
  auto begins = std::move(milestones);
  begins.insert(begins.begin(), 0);
  return {[parts = std::move(parts), begins = std::move(begins)](int64_t step) {
    const auto now = static_cast<size_t>(std::upper_bound(begins.begin() + 1, begins.end(), step) - begins.begin() - 1);
    auto rates = parts[now](step - begins[now]);
    // A part that does not move momentum keeps what the one before left, or what the last one behind begins with: in
    // PyTorch all are made before the first step, and each sets momentum then.
    for (auto i = now; i-- > 0 && !rates.momentum;) rates.momentum = parts[i](begins[i + 1] - begins[i] - 1).momentum;
    for (auto i = parts.size(); --i > now && !rates.momentum;) rates.momentum = parts[i](0).momentum;
    return rates;
  }};
}

Schedule annealed_schedule(Schedule before, int64_t start, int64_t anneal, double factor, bool line) {
  auto plateaus = before.plateaus;
  return {[=, before = std::move(before)](int64_t step) {
            if (step < start) return before(step);
            auto rates = before(start);
            const auto along =
                anneal > 0 ? std::min(1.0, static_cast<double>(step - start) / static_cast<double>(anneal)) : 1.0;
            rates.lr_factor = line ? rates.lr_factor + (factor - rates.lr_factor) * along
                                   : cosine_ramp(rates.lr_factor, factor, along);
            return rates;
          },
          std::move(plateaus)};
}

void check_rates(const Schedule& schedule, int64_t steps) {
  const auto stride = std::max<int64_t>(1, steps / 1'000'000);  // of very long runs not every one
  for (int64_t step = 0; step < steps; step += stride) {
    const auto rates = schedule(step);
    require(std::isfinite(rates.lr_factor) && rates.lr_factor >= 0,
            "[schedule] the rate is {:.4g} x lr in step {}; a rate must be finite and not negative", rates.lr_factor,
            step);
    const auto momentum = rates.momentum.value_or(0);
    require(momentum >= 0 && momentum < 1, "[schedule] the momentum is {:.4g} in step {}; it must be from 0 to below 1",
            momentum, step);
  }
}

namespace {

bool has_momentum(const Part& optimizer) {
  const auto settings = optimizers().resolve(optimizer).settings;
  if (settings.find("beta1")) return true;
  if (const auto* momentum = settings.find("momentum")) return read_number(*momentum, "momentum", {}) > 0;
  const auto* base = settings.find("base");  // SAM's
  return base && has_momentum(read_part(*base, "base", optimizers().kinds()));
}

}  // namespace

Schedule schedule_of(const Part& optimizer, Schedule schedule) {
  if (has_momentum(optimizer)) return schedule;
  auto plateaus = schedule.plateaus;
  return {[formula = std::move(schedule.formula)](int64_t step) { return Rates{.lr_factor = formula(step).lr_factor}; },
          std::move(plateaus)};
}

void add_combinations(ScheduleCatalog& catalog) {
  catalog.add("sequential", "several, one after another", SequentialConfig{}, sequential);
  catalog.add("chained", "several at once", ChainedConfig{}, chained);
}

const ScheduleCatalog& schedules() {
  static const auto catalog = [] {
    ScheduleCatalog made("schedule", "train.schedule");
    for (auto* add : {add_decays, add_cycles, add_plateau, add_formulas, add_combinations}) add(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
