// How fast a run computes, and how near that is to what its machine can: the products of its first steps are counted
// while they are made, so nothing is computed for it.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "hadal/nn/costs.h"
#include "hadal/train/callback.h"

namespace hadal {

/// FLOP/s that this machine's products reach in a run's numbers. Measured once a process for each device and precision.
double ceiling(const std::string& device, const std::string& precision);

class SpeedMeter : public Callback {
 public:
  /// `clock` gives seconds, `ceiling` FLOP/s; it is asked once, and only of a run that has trained long enough for it
  /// not to matter.
  SpeedMeter(std::function<double()> clock, std::function<double()> ceiling);
  /// Of a run on this device, in this precision.
  SpeedMeter(const std::string& device, const std::string& precision);

  void on_start(const RunState& state) override;
  void on_step(const StepEvent& event) override;
  void on_evaluation(const EvaluationEvent& event) override;
  void on_end(const RunState& state, bool done) override;

  /// "1.23 TFLOP a step, 145 GFLOP/s: 41 % of what this machine's products reach (356 GFLOP/s)"; the share is left out
  /// of a run of a few seconds. Empty where no products were counted or too few steps were made.
  std::string text();

 private:
  std::function<double()> clock_, ceiling_;
  std::optional<FlopCount> count_;
  double flops_ = 0, counted_samples_ = 0;  // of the first steps
  int64_t counted_steps_ = 0;
  double began_ = 0, seconds_ = 0, samples_ = 0;  // of all steps but the first, evaluations left out
  double reached_ = 0;                            // the ceiling, once it is known
};

}  // namespace hadal
