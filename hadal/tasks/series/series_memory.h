// What weights of a forecaster keep of the series that it learned, and how other files are held against it.
#pragma once
#include "hadal/data/series/sources.h"
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

/// Dates are read as those that the model learned, where `csv` does not say otherwise.
void read_as_learned(CsvSeriesConfig& csv, const SeriesMemory& memory);
/// The same names, in whatever order.
bool same_columns(const std::vector<std::string>& some, const std::vector<std::string>& others);
/// The `data` setting that reads the columns the model learned, in its order, where the file has all of them and
/// `data` asks for no others; otherwise the file's own.
Part as_remembered(const Part& data, const SeriesMemory& memory);

/// Throws UsageError where `config` asks for another forecast than the model learned.
void check_forecast(const SeriesMemory& memory, const ForecastConfig& config);
/// Throws Error where the file `name` goes in other steps than the model learned, unless its rows are taken as they
/// come.
void check_step(const SeriesMemory& memory, const Series& series, bool even, const std::string& name);

}  // namespace hadal
