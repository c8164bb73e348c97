// Watching a score: what plateau and early stopping share.
#pragma once
#include <string>

#include "hadal/core/config.h"

namespace hadal {

/// Which score, and when a value is better than the best so far.
struct Watch {
  std::string metric, mode = "auto", threshold_mode = "abs";
  double threshold = 0;

  /// The metric's whole name: `metric` with val/ before it unless it names its split; `goal` when it is empty.
  std::string name(const std::string& goal) const;
  /// Which way is up: what `mode` says, or for "auto" the goal's way where it is the goal that is watched. Throws
  /// UsageError when neither says it.
  bool higher_is_better(const std::string& goal, bool goal_higher) const;
  /// A value that is not a number is never better; anything beats a best that is none.
  bool better(double value, double best, bool higher_is_better) const;
};

}  // namespace hadal
