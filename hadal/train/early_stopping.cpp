#include "hadal/train/early_stopping.h"

namespace hadal {

Fields<EarlyStoppingConfig> EarlyStoppingConfig::fields() {
  using C = EarlyStoppingConfig;
  return {
      {"patience", &C::patience, "end the run after this many evaluations without progress (0: never)", at_least(0)},
      {"metric", &C::metric, "the score that is watched; the task's goal when empty"},
      {"mode", &C::mode, "whether more or less is better; auto knows it of the goal and of losses",
       one_of({"auto", "min", "max"})},
      {"min_delta", &C::min_delta, "how much better counts as progress", at_least(0)},
      {"min_epochs", &C::min_epochs, "never end before this many epochs", at_least(0)},
      {"restore_best", &C::restore_best, "leave the model with the weights of its best evaluation"}};
}

void EarlyStoppingConfig::validate() const {
  require(on() || (metric.empty() && mode == "auto" && min_delta == 0 && min_epochs == 0 && restore_best),
          "train.early_stopping has a {} but no patience, and so would never stop: add early_stopping.patience=5",
          !metric.empty()  ? "metric"
          : mode != "auto" ? "mode"
          : min_delta != 0 ? "min_delta"
          : !restore_best  ? "restore_best"
                           : "min_epochs");
}

void Patience::observe(const EarlyStoppingConfig& config, double score, bool higher_is_better, double epoch) {
  if (config.watch().better(score, best, higher_is_better))
    best = score, bad = 0;
  else
    ++bad;
  spent = bad >= config.patience && epoch >= static_cast<double>(config.min_epochs);
}

}  // namespace hadal
