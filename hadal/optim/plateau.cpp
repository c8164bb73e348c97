#include "hadal/optim/plateau.h"

#include <algorithm>

#include "hadal/optim/schedule_pace.h"

namespace hadal {
namespace {

struct PlateauConfig : Pace {
  std::string metric, mode = "auto", threshold_mode = "rel";
  double threshold = 1e-4, factor = 0.1, lowest = 0, eps = 1e-8;
  int64_t patience = 10, cooldown = 0;
  static Fields<PlateauConfig> fields() {
    using C = PlateauConfig;
    return paced<C>({{"metric", &C::metric, "the score that is watched; the task's goal when empty"},
                     {"mode", &C::mode, "whether more or less is better; auto knows it of the goal and of losses",
                      one_of({"auto", "min", "max"})},
                     {"factor", &C::factor, "what the rate is multiplied with", from_below(0, 1)},
                     {"patience", &C::patience, "evaluations without progress that are borne", at_least(0)},
                     {"threshold", &C::threshold, "how much better counts as progress", at_least(0)},
                     {"threshold_mode", &C::threshold_mode, "threshold as a share of the best score, or as it is",
                      one_of({"rel", "abs"})},
                     {"cooldown", &C::cooldown, "evaluations after a fall that do not count", at_least(0)},
                     {"lowest", &C::lowest, "the rate never falls below this, as a share of lr", between(0, 1)},
                     {"eps", &C::eps, "falls by less than this, as a share of lr, are left out", at_least(0)}});
  }
};

}  // namespace

void Plateau::observe(double score, bool higher_is_better) {
  if (rule_.watch.better(score, best_, higher_is_better)) {
    best_ = score;
    bad_ = 0;
  } else {
    ++bad_;
  }
  if (cooling_ > 0) --cooling_, bad_ = 0;
  if (bad_ <= rule_.patience) return;
  const auto lower = std::max(factor_ * rule_.factor, rule_.lowest);
  if (factor_ - lower > rule_.eps) factor_ = lower;
  cooling_ = rule_.cooldown;
  bad_ = 0;
}

Tensor Plateau::state() const {
  return torch::tensor({factor_, best_, static_cast<double>(bad_), static_cast<double>(cooling_)}, torch::kFloat64);
}

void Plateau::load_state(const Tensor& state) {
  if (state.scalar_type() != torch::kFloat64 || state.numel() != 4) fail("[schedule] the saved plateau is not one");
  const auto* values = state.contiguous().data_ptr<double>();
  factor_ = values[0], best_ = values[1];
  bad_ = static_cast<int64_t>(values[2]), cooling_ = static_cast<int64_t>(values[3]);
}

void add_plateau(ScheduleCatalog& catalog) {
  catalog.add(
      "plateau", "falls when a score stops getting better", PlateauConfig{},
      [](const PlateauConfig& c, const RunLength& run) {
        const auto plateau = std::make_shared<Plateau>(PlateauRule{
            {c.metric, c.mode, c.threshold_mode, c.threshold}, c.factor, c.lowest, c.eps, c.patience, c.cooldown});
        auto schedule = on_pace(c, run, [plateau](int64_t) { return Rates{.lr_factor = plateau->factor()}; });
        schedule.plateaus = {plateau};
        return schedule;
      });
}

}  // namespace hadal
