// What a forecast looks like to those who asked for it: JSON, a table, a picture.
#pragma once
#include <nlohmann/json.hpp>

#include "hadal/data/series/series.h"

namespace hadal {

struct SeriesForecast {
  Series series;  // the history
  Tensor values;  // (C, Q, H) float64, in the file's own numbers
};

/// Where the median is among rising shares; 0 for points.
int64_t middle_of(const std::vector<double>& quantiles);

/// {"input", "columns", "dates", "forecast": {column: [values]}}, with quantiles also
/// {"quantiles": {"0.1": {column: [values]}}}.
nlohmann::ordered_json forecast_json(const std::string& name, const SeriesForecast& forecast,
                                     const std::vector<double>& quantiles);
/// date and a column each, with quantiles one a quantile: "OT 0.1".
std::string forecast_csv(const SeriesForecast& forecast, const std::vector<double>& quantiles);
/// History, forecast and band of every column, at most eight, below each other.
Tensor forecast_picture(const SeriesForecast& forecast, const std::vector<double>& quantiles);

/// How surprising rows are.
struct SeriesScores {
  Series series;
  Tensor each;        // (C, T) float64, NaN where there is no score
  int64_t first = 0;  // rows before it were only seen
};

/// {"input", "anomalies": [{"date", "score", "column"}]}, the `top` highest.
nlohmann::ordered_json scores_json(const std::string& name, const SeriesScores& scores, int64_t top);
std::string scores_csv(const SeriesScores& scores);
/// Undefined where no row has a score.
Tensor scores_picture(const SeriesScores& scores);

}  // namespace hadal
