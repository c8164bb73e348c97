// What the trainer tells, and to whom. Progress, files and reports listen; none of them changes the training.
#pragma once
#include <string>
#include <vector>

#include "hadal/metrics/metrics.h"

namespace hadal {

class Task;

/// Where a run is.
struct RunState {
  int64_t step = 0, steps = 0;  // optimiser steps done, and in all
  int64_t epochs = 0;
  double epoch = 0;     // done, with its fraction
  double seconds = 0;   // spent training, earlier sittings included
  int64_t skipped = 0;  // steps whose loss or gradients were not finite
};

struct StepEvent {
  RunState state;
  int64_t samples = 0;  // in this step
  Metrics losses;       // "loss", then its parts
  double lr = 0;
  Metrics grad_norms;    // before clipping: "grad_norm", or one a phase: "grad_norm_judge"
  bool skipped = false;  // not finite: nothing moved
};

struct EvaluationEvent {
  RunState state;
  Metrics values;  // "train/loss", "lr", "val/accuracy", ...
  bool best = false;
  Task* task = nullptr;  // its figures are those of this evaluation
};

class Callback {
 public:
  virtual ~Callback() = default;
  /// Before the first step; `state.step` is above 0 in a resumed run.
  virtual void on_start(const RunState&) {}
  virtual void on_step(const StepEvent&) {}
  virtual void on_evaluation(const EvaluationEvent&) {}
  /// `done` is false when the run was interrupted and can be resumed.
  virtual void on_end(const RunState&, bool /*done*/) {}
};

}  // namespace hadal
