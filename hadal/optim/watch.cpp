#include "hadal/optim/watch.h"

#include <cmath>

namespace hadal {

std::string Watch::name(const std::string& goal) const {
  const auto& asked = metric.empty() ? goal : metric;
  return asked.find('/') == std::string::npos ? "val/" + asked : asked;
}

bool Watch::higher_is_better(const std::string& goal, bool goal_higher) const {
  if (mode != "auto") return mode == "max";
  if (name(goal) == "val/" + goal) return goal_higher;
  // Every task's loss is to be small.
  require(name(goal).ends_with("/loss"), "metric = \"{}\" wants mode = \"min\" or \"max\": which way is better",
          metric);
  return false;
}

bool Watch::better(double value, double best, bool higher_is_better) const {
  if (std::isnan(value) || std::isnan(best)) return !std::isnan(value);
  const auto sign = higher_is_better ? 1 : -1;
  const auto bar = threshold_mode == "rel" ? best * (1 + sign * threshold) : best + sign * threshold;
  return higher_is_better ? value > bar : value < bar;
}

}  // namespace hadal
