// The one training loop: epochs, phases, accumulation, clipping, freezing, averaging, evaluation, early stopping,
// checkpoints, resume.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hadal/core/stop.h"
#include "hadal/optim/average.h"
#include "hadal/optim/plateau.h"
#include "hadal/optim/schedule.h"
#include "hadal/tasks/task.h"
#include "hadal/train/callback.h"
#include "hadal/train/checkpoint.h"
#include "hadal/train/config.h"
#include "hadal/train/statistics.h"

namespace hadal {

/// Too many steps in a row were not finite: too high a rate, usually.
struct NotFinite : Error {
  using Error::Error;
};

class Trainer {
 public:
  /// `folder` takes weights/{best,last}.safetensors and checkpoint/last.safetensors; empty: nothing is written. The
  /// config's device and precision are resolved ("cpu", not "auto").
  Trainer(Task& task, const TrainConfig& config, std::filesystem::path folder = {});

  /// The recipe that goes into every weights file as its passport; what the task has learned is added.
  void describe(Table recipe) { recipe_ = std::move(recipe); }
  void listen(Callback& callback) { callbacks_.push_back(&callback); }
  /// A schedule of the program's own in place of the config's.
  void use(Schedule schedule);
  /// Takes up the run where its checkpoint was made; what follows equals a run that was never stopped, bit for bit,
  /// as long as the data are the same. Returns the task's summary of then.
  std::string resume(const std::filesystem::path& checkpoint);

  struct Outcome {
    bool done = true;  // false: stopped by request; resume goes on
    Metrics best, last;
    RunState state;
  };
  /// A finished run leaves the model with the last weights, or the best (early stopping's), the mean (SWA) or, of an
  /// optimizer that averages, its average; an EMA is in the weights files alone.
  /// Where data or files fail on the way (a picture that does not decode), all that was learned until then is saved
  /// first; resume goes on at the batch, or evaluation, that could not be made.
  Outcome run();
  /// From a callback: the run ends after this step, as if stop_requested().
  void stop() { stopped_ = true; }

  const RunState& state() const { return progress_.state; }
  const Schedule& schedule() const { return schedule_; }
  const Optimizer& optimizer(size_t phase = 0) const { return *phases_.at(phase).optimizer; }
  /// The optimizer's own rate, which the schedule's factors multiply.
  double lr() const { return phases_[0].optimizer->lr(); }
  bool follows_rate() const { return phases_[0].optimizer->follows_rate(); }

 private:
  struct Moving {  // a phase of the task's
    Phase phase;
    std::unique_ptr<Optimizer> optimizer;
    std::vector<Tensor> parameters;
    KeptBuffers buffers;
    double loss = 0;  // of the step, summed over its batches
  };

  void go_on();
  bool step(StepEvent& event);
  bool step_on(StepEvent& event, int64_t batches);
  bool keep_scale(double norm, double scale);
  void backward(const Moving& moving, const Tensor& loss);
  Losses differentiate(size_t phase, double scale);
  bool move(size_t phase, const Rates& rates, double loss, double scale, StepEvent& event);
  bool take(Moving& moving, const Rates& rates, const Evaluation& here, const Closure& again);
  void give_up_if_due(size_t phase, const std::string& what) const;
  void begin_epoch();
  void end_on_average();
  void restore_best();
  void evaluate();
  void make_due_evaluation();
  void check(const Watch& watch, const char* who) const;
  double watched(const Watch& watch, const Metrics& values, const char* who) const;
  std::string bad_weight() const;
  void save_checkpoint();
  void checkpoint_if_due();
  Step here(size_t phase) const { return {phase, progress_.state.step, progress_.state.steps}; }
  bool ended() const { return progress_.state.step >= progress_.state.steps || progress_.patience.spent; }
  bool due(size_t phase) const { return progress_.state.step % phases_[phase].phase.every == 0; }
  bool loss_scaling() const { return config_.precision == "fp16"; }

  Task& task_;
  TrainConfig config_;
  std::filesystem::path folder_;
  torch::Device device_;
  std::vector<Moving> phases_;
  Schedule schedule_;
  std::unique_ptr<Ema> ema_;
  std::unique_ptr<Swa> swa_;
  std::unique_ptr<StatisticsMean> statistics_;  // where the optimizer averages its weights
  int64_t swa_start_ = 0, swa_every_ = 1;
  std::optional<Freezer> freezer_;
  TensorsByName best_weights_;  // where no folder keeps them
  int64_t steps_per_epoch_, evaluation_steps_;
  std::vector<Callback*> callbacks_;
  Table recipe_;
  Progress progress_;
  double last_lr_ = 0;
  Metrics last_norms_;
  double seconds_before_ = 0, began_at_ = 0;  // of earlier sittings, and when this one began
  bool stopped_ = false;
  double saved_at_ = 0;
};

}  // namespace hadal
