// Forecasts beyond the end of files named on the command line.
#pragma once
#include "hadal/models/forecast/forecaster.h"
#include "hadal/tasks/series/series_memory.h"

namespace hadal {

struct TrainedForecaster {
  Forecaster& model;
  const ForecastConfig& config;
  const SeriesMemory& memory;
  torch::Device device;
  int64_t batch = 64;
};

/// How surprising each row of `series` (without holes) is: the squared error of the forecast one step ahead, on the
/// scaled numbers. (C, T) float64, NaN for the first `input` rows, which are only seen. Nothing after a row enters its
/// score.
Tensor surprise(const TrainedForecaster& forecaster, const Series& series);

/// For each CSV file: a line {"input", "columns", "dates", "forecast": {column: [values]}} in OUT/predictions.jsonl,
/// with quantiles also {"quantiles": {"0.1": {column: [values]}}}; OUT/NAME-forecast.csv with the same numbers; and a
/// picture of history, forecast and band of the first 8 columns, OUT/pictures/NAME-forecast.png. With `anomalies`
/// NAME-anomalies.csv and .png hold the scores; a value that was missing has none. A name that is taken, or would write
/// over an input, gets a number: NAME-forecast-2.csv. A file that cannot be forecast gives a line with "error"; after
/// all the others are done, that throws Error with the first.
int64_t predict_series(const TrainedForecaster& forecaster, const PredictOptions& options,
                       const std::function<void(const std::string&)>& line);

}  // namespace hadal
