// What a training shows while it runs: one line that renews itself on a terminal, plain lines in a log.
#pragma once
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>

#include "hadal/train/callback.h"

namespace hadal {

/// What the line says, all of it measured.
struct ProgressView {
  RunState state;
  Metrics losses;    // smoothed
  double rate = 0;   // samples a second; 0: not known yet
  double left = -1;  // seconds until the run ends; below 0: not known yet
};

/// "epoch 3/12 ━━━━━━━─────── 57 %  loss 0.1234  1,234 samples/s  4 min 05 s left": at most `width` columns. What is
/// worth least goes first where the terminal is narrow. `unicode` says that the terminal shows more than ASCII, `color`
/// that it understands escape sequences (they take no columns).
std::string progress_bar(const ProgressView& view, size_t width, bool unicode, bool color);
/// "epoch 3/12  step 1,407/5,628 (25 %)  loss 0.1234  1,234 samples/s  4 min 05 s left"
std::string progress_line(const ProgressView& view);
/// "epoch  3/12  train/loss 0.1234  val/accuracy 0.9712  34 s  best": the scores of a split only, aligned from line to
/// line.
std::string evaluation_line(const EvaluationEvent& event);

/// Where and how to show it. Tests put a clock and a text of their own here.
struct DisplayOptions {
  bool live = false;  // a terminal that can renew a line; otherwise plain lines
  bool unicode = false;
  std::function<size_t()> width;
  std::function<double()> clock;  // seconds
  std::function<void(std::string_view)> write;
};
/// Live where `stream` is a terminal and neither NO_COLOR nor TERM=dumb ask for plain text; Unicode where the locale
/// is.
DisplayOptions display_options(std::FILE* stream);

class ProgressDisplay : public Callback {
 public:
  explicit ProgressDisplay(DisplayOptions options = display_options(stdout));
  /// Takes the live line away, so that an error message begins on a clean line.
  ~ProgressDisplay() override;

  void on_start(const RunState& state) override;
  void on_step(const StepEvent& event) override;
  void on_evaluation(const EvaluationEvent& event) override;
  void on_end(const RunState& state, bool done) override;
  /// A line of its own above the live one.
  void note(std::string_view text);

 private:
  void update(const StepEvent& event, double now);
  void draw(double now);
  void clear();

  DisplayOptions options_;
  ProgressView view_;
  double start_ = 0;        // when this sitting began
  double first_time_ = -1;  // when its first step was done, which is slower than the rest
  int64_t first_step_ = 0;
  double window_time_ = 0, window_samples_ = 0;  // for the rate
  double smoothing_weight_ = 0;
  double last_draw_ = 0;
  bool line_shown_ = false;
};

}  // namespace hadal
