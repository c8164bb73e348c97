// Forecasting: what a series of numbers will be, over a horizon of steps.
#pragma once
#include "hadal/tasks/task.h"
#include "hadal/trained/series/forecaster.h"

namespace hadal {

struct ForecastConfig : ForecasterConfig {
  int64_t season = 0;
  std::string loss = "mse";

  static Fields<ForecastConfig> fields();
};

void register_forecast(TaskCatalog& catalog);

/// What MASE compares with: the steps of a day for minutes and hours, of a week for days, of a year for weeks and
/// months, else 1.
int64_t usual_season(const TimeStep& step);

}  // namespace hadal
