// Learning-rate schedules, each a formula of the step: resuming and plotting need no history. Rates are shares of the
// optimizer's own lr, which is the highest rate of most of them. Formulas: docs/training.md.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "hadal/core/catalog.h"
#include "hadal/optim/optimizer.h"

namespace hadal {

class Plateau;

/// The rates of step 0, 1, ..., total - 1.
struct Schedule {
  std::function<Rates(int64_t step)> formula;
  /// What follows the scores instead: the trainer shows them each evaluation and keeps their state.
  std::vector<std::shared_ptr<Plateau>> plateaus = {};

  Rates operator()(int64_t step) const { return formula(step); }
};

/// How long the run is, in optimiser steps.
struct RunLength {
  int64_t steps = 0, steps_per_epoch = 0;
};

using ScheduleCatalog = Catalog<Schedule, const RunLength&>;
const ScheduleCatalog& schedules();

/// Throws UsageError when one of the first `steps` rates is negative or not finite, or a momentum not in [0, 1).
void check_rates(const Schedule& schedule, int64_t steps);

/// The schedule without its momentum where the optimizer has none to move: neither beta1 nor a momentum above 0.
Schedule schedule_of(const Part& optimizer, Schedule schedule);

/// The rate is lr x factor(step), as PyTorch's LambdaLR.
Schedule lambda_schedule(std::function<double(int64_t step)> factor);
/// Step n has lr x factor(1) x ... x factor(n), as PyTorch's MultiplicativeLR; beyond `steps` it stays.
Schedule multiplicative_schedule(const std::function<double(int64_t step)>& factor, int64_t steps);
/// All at once: their factors multiply, and the last one that moves momentum sets it. As PyTorch's ChainedScheduler
/// where each scheduler multiplies the rate that it finds (step, exponential, ...; a cosine to 0 up to its end); those
/// that begin from the base rate (lambda, warm restarts, cyclic, one-cycle) put the others' factors aside in PyTorch.
Schedule chained_schedule(std::vector<Schedule> parts);
/// One after another, as PyTorch's SequentialLR: part i + 1 begins, with its own step 0, at milestones[i]. A part that
/// does not move momentum has that of the last step before that did, else the first of the last part that does. Throws
/// UsageError unless there is a milestone less than parts and they rise.
Schedule sequential_schedule(std::vector<Schedule> parts, std::vector<int64_t> milestones);
/// `before` up to step `start`, then from where it is there to `factor` in `anneal` steps, along half a cosine or a
/// straight line, as PyTorch's SWALR.
Schedule annealed_schedule(Schedule before, int64_t start, int64_t anneal, double factor, bool line = false);

}  // namespace hadal
