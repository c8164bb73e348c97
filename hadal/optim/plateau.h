// A rate that falls when a score stops getting better, as PyTorch's ReduceLROnPlateau: the one schedule with a memory.
#pragma once
#include <cmath>
#include <string>

#include "hadal/core/torch.h"
#include "hadal/optim/watch.h"

namespace hadal {

/// Defaults are PyTorch's; rates are shares of lr.
struct PlateauRule {
  Watch watch;
  double factor = 0.1, lowest = 0, eps = 1e-8;
  int64_t patience = 10, cooldown = 0;
};

class Plateau {
 public:
  explicit Plateau(PlateauRule rule) : rule_(std::move(rule)) {}

  const Watch& watch() const { return rule_.watch; }
  /// After each evaluation. A score that is not a number is not better.
  void observe(double score, bool higher_is_better);
  /// What the rate is multiplied with now.
  double factor() const { return factor_; }

  Tensor state() const;
  /// Throws Error when it is not the state of a plateau.
  void load_state(const Tensor& state);

 private:
  PlateauRule rule_;
  double factor_ = 1, best_ = NAN;
  int64_t bad_ = 0, cooling_ = 0;
};

}  // namespace hadal
