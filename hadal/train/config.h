// How to train: the settings every recipe shares, whatever the task.
#pragma once
#include "hadal/core/config.h"
#include "hadal/optim/groups.h"
#include "hadal/optim/schedule_pace.h"
#include "hadal/train/early_stopping.h"
#include "hadal/train/freeze.h"

namespace hadal {

/// Stochastic weight averaging over the end of the run.
struct SwaConfig {
  Length begin;  // not given: none
  Length interval{1, "epochs"}, anneal;
  double rate = 0;
  std::string ramp = "cos";
  int64_t batches = 0;

  static Fields<SwaConfig> fields();
  bool on() const { return begin.given(); }
  /// `schedule` with the rate that the averaging asks for from its begin on, in a run of so many steps; `lr` is the
  /// optimizer's.
  Schedule over(Schedule schedule, const RunLength& run, double lr) const;
};

struct TrainConfig {
  int64_t epochs = 10, steps = 0, batch = 64, accumulate = 1, workers = 2;
  Part optimizer{"adamw", {}}, schedule{"one_cycle", {}};
  double clip = 0, ema = 0, ema_warmup = 10;
  std::string clip_by = "norm";
  int64_t bad_steps = 10;
  bool decay_norms = false, decay_embeddings = true;
  double layer_decay = 1;
  std::vector<GroupRule> groups;
  std::vector<FreezeRule> freeze;
  SwaConfig swa;
  EarlyStoppingConfig early_stopping;
  std::string precision = "fp32", device = "auto", weights;
  bool channels_last = false;
  int64_t threads = 0, seed = 1;
  double evaluate_every = 1, checkpoint_seconds = 60;
  int64_t checkpoint_steps = 0, limit = 0;

  static Fields<TrainConfig> fields();
  void validate() const;
  GroupRules group_rules() const { return {decay_norms, decay_embeddings, layer_decay, groups}; }
};

}  // namespace hadal
