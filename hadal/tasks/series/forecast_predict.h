// Forecasts beyond the end of files named on the command line.
#pragma once
#include "hadal/models/forecast/forecaster.h"
#include "hadal/tasks/series/forecast.h"

namespace hadal {

/// What a trained forecaster must remember of its series: a weights file keeps it.
struct SeriesMemory {
  std::vector<std::string> columns;
  Scale scale;                     // (C, 1) each
  std::optional<bool> day_first;   // see Series
  std::string step;                // TimeStep::text(); empty in older weights
  std::string zone;                // see Series
  int64_t input = 0, horizon = 0;  // 0 in older weights, as no quantiles
  std::vector<double> quantiles;

  std::map<std::string, std::string> metadata() const;
  /// Throws Error where a weights file says nothing of a series.
  static SeriesMemory from(const std::map<std::string, std::string>& metadata);
};

/// The `data` setting that reads the columns the model learned, in its order, where the file has all of them and
/// `data` asks for no others; otherwise the file's own.
Part as_remembered(const Part& data, const SeriesMemory& memory);

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

/// Throws UsageError where `config` asks for another forecast than the model learned.
void check_forecast(const SeriesMemory& memory, const ForecastConfig& config);
/// Throws Error where the file `name` goes in other steps than the model learned, unless its rows are taken as they
/// come.
void check_step(const SeriesMemory& memory, const Series& series, bool even, const std::string& name);

/// For each CSV file: a line {"input", "columns", "dates", "forecast": {column: [values]}} in OUT/predictions.jsonl,
/// with quantiles also {"quantiles": {"0.1": {column: [values]}}}; OUT/NAME-forecast.csv with the same numbers; and a
/// picture of history, forecast and band of the first 8 columns, OUT/pictures/NAME-forecast.png. With `anomalies`
/// NAME-anomalies.csv and .png hold the scores; a value that was missing has none. A name that is taken, or would write
/// over an input, gets a number: NAME-forecast-2.csv. A file that cannot be forecast gives a line with "error"; after
/// all the others are done, that throws Error with the first.
int64_t predict_series(const TrainedForecaster& forecaster, const PredictOptions& options,
                       const std::function<void(const std::string&)>& line);

}  // namespace hadal
