// Early stopping: a run ends when its score has stopped getting better (Prechelt 1998).
#pragma once
#include <cmath>

#include "hadal/optim/watch.h"

namespace hadal {

struct EarlyStoppingConfig {
  int64_t patience = 0;
  std::string metric, mode = "auto";
  double min_delta = 0;
  int64_t min_epochs = 0;
  bool restore_best = true;

  static Fields<EarlyStoppingConfig> fields();
  void validate() const;
  bool on() const { return patience > 0; }
  Watch watch() const { return {metric, mode, "abs", min_delta}; }
};

/// What a checkpoint keeps of it.
struct Patience {
  double best = NAN;
  int64_t bad = 0;  // evaluations since the best
  bool spent = false;

  /// After each evaluation; `spent` once the score has not got better for `patience` of them and `epoch` is at least
  /// min_epochs.
  void observe(const EarlyStoppingConfig& config, double score, bool higher_is_better, double epoch);
};

}  // namespace hadal
