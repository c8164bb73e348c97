// Forecasting: what a series of numbers will be, over a horizon of steps.
#pragma once
#include "hadal/data/series/sources.h"
#include "hadal/tasks/task.h"

namespace hadal {

struct ForecastConfig {
  Part model{"patchtst", {}}, data{"csv", {}};
  int64_t input = 336, horizon = 96, season = 0;
  std::vector<double> quantiles;
  std::string loss = "mse";
  bool anomalies = false;

  static Fields<ForecastConfig> fields();
  /// Quantiles rise and hold the median, which is the forecast where one number is wanted.
  void validate() const;
};

void register_forecast(TaskCatalog& catalog);

/// What MASE compares with: the steps of a day for minutes and hours, of a week for days, of a year for weeks and
/// months, else 1.
int64_t usual_season(const TimeStep& step);

}  // namespace hadal
