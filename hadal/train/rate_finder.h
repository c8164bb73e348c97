// The learning-rate range test (Smith 2017, arXiv:1506.01186, section 3.3): a short training whose rate grows from tiny
// to far too large shows which rates make the loss fall.
#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "hadal/tasks/task.h"
#include "hadal/train/config.h"

namespace hadal {

struct RateFinderConfig {
  double low = 1e-7, high = 10;
  int64_t steps = 100;

  static Fields<RateFinderConfig> fields();
  void validate() const;
};

struct RateCurve {
  std::vector<double> rates, losses, smoothed;  // a step each, up to where the loss blows up
  double lowest = 0;                            // the rate with the lowest smoothed loss
  double steepest = 0;                          // where the smoothed loss falls fastest per decade
  double suggested = 0;                         // a tenth of `lowest`: the loss still falls well there
  std::string doubt;                            // why that may be wrong: the curve is cut off at one of its ends
};

/// Trains `task` as `train` says, but for rate, averages and evaluations, and puts weights and random streams back as
/// they were. Ends early where the loss is 4 times its lowest. Throws
/// Error when the first losses are not finite; nullopt when stop_requested().
std::optional<RateCurve> find_rate(Task& task, TrainConfig train, const RateFinderConfig& config);

/// Writes find_lr.csv and find_lr.html.
void write_rate_curve(const std::filesystem::path& folder, const std::string& name, const RateCurve& curve);

}  // namespace hadal
