// The files of a run folder that follow the training: metrics.csv, metrics.json, TensorBoard events, report.html.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "hadal/report/history.h"
#include "hadal/report/tensorboard.h"
#include "hadal/train/callback.h"
#include "hadal/train/recipe.h"
#include "hadal/train/speed.h"
#include "hadal/train/trainer.h"

namespace hadal {

struct RunResult;

class RunFiles : public Callback {
 public:
  /// In a resumed run the trainer's state says where it goes on; rows and events of later steps are dropped.
  RunFiles(std::filesystem::path folder, const Recipe& recipe, Task& task, std::string config, const Trainer& trainer,
           bool resumed);

  void on_start(const RunState& state) override { speed_.on_start(state); }
  void on_step(const StepEvent& event) override;
  void on_evaluation(const EvaluationEvent& event) override;
  void on_end(const RunState& state, bool done) override;
  /// SpeedMeter::text().
  std::string speed() { return speed_.text(); }
  /// False while the best evaluation is one of an earlier sitting: its pictures are not here.
  bool has_best_figures() const { return has_best_figures_; }
  /// The last words: test scores, promises, the report. Gives the seconds since the training ended. Throws Stopped
  /// where the pictures of a run that is done are left half way.
  double finish(const RunResult& result);

 private:
  bool draw_figures(int64_t step);
  void show_figures(int64_t step);
  void show_sounds(int64_t step);
  void write(const RunResult& result);

  std::filesystem::path folder_;
  Task& task_;
  const Recipe& recipe_;
  std::string config_, machine_;
  History history_;
  TensorBoard board_;
  std::vector<CurveFigure> schedule_;
  std::vector<Figure> figures_;
  RunState state_;
  SpeedMeter speed_;
  bool evaluated_ = false, has_best_figures_ = false;
  double ended_at_ = 0;
};

}  // namespace hadal
