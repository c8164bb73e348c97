// Every optimiser on the same problem: what it reaches in equal steps and in equal time, what a step and its state
// cost.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "hadal/train/recipe.h"

namespace hadal {

struct OptimizerBenchConfig {
  std::vector<std::string> optimizers;
  int64_t steps = 200, seeds = 1, limit = 2000, climb = 4;
  double seconds = 0, factor = 4;

  static Fields<OptimizerBenchConfig> fields();
  void validate() const;
};

/// A row of the table; scores are the goal's, means over the seeds.
struct Standing {
  std::string optimizer;
  double lr = 0;                         // the best of those tried
  double at_steps = NAN, at_time = NAN;  // the score after config.steps, and after as many as fit into the time
  int64_t steps_in_time = 0;
  double step_ms = 0;      // the median, gradients included
  double state_bytes = 0;  // a parameter
  std::string problem;     // why it could not take part; empty: it did
};

struct OptimizerTable {
  std::string title, metric;
  int64_t parameters = 0, steps = 0;
  double seconds = 0;
  bool higher_is_better = true;
  std::vector<Standing> rows;  // best first, after equal steps

  std::string markdown() const;
  std::string csv() const;
};

/// Trains `recipe`'s model anew for every optimiser with cosine rates and a short warm-up (schedule-free methods:
/// constant ones), from the same seed. A method begins with its own default lr, then goes up and down by `factor` as
/// long as the score gets better, at most `climb` times. The time is what adamw takes for the steps, unless `seconds`
/// says another. `say` is told how it goes, and `keep` is given the table after each row. A request to stop ends it
/// with the rows that there are.
OptimizerTable compare_optimizers(const Recipe& recipe, const OptimizerBenchConfig& config,
                                  const std::function<void(const std::string&)>& say = {},
                                  const std::function<void(const OptimizerTable&)>& keep = {});

}  // namespace hadal
