// What weights of a forecaster keep of the series that it learned, and how other files are held against it.
#pragma once
#include "hadal/data/series/sources.h"

namespace hadal {

struct SeriesLearned {
  std::vector<std::string> columns;
  std::vector<double> mean, deviation;  // a column each
  std::optional<bool> day_first;        // see Series
  std::string step;                     // TimeStep::text(); empty in older weights
  std::string zone;                     // see Series
  int64_t input = 0, horizon = 0;       // 0 in older weights, as no quantiles
  std::vector<double> quantiles;

  static Fields<SeriesLearned> fields();
  /// From a [learned]. Throws Error where it says nothing of a series, or not of all its columns.
  static SeriesLearned from(const Table& learned);
  /// As [learned] keeps it: {series = {...}}.
  Table table() const;

  /// (C, 1) each.
  Scale scale() const;
};

/// Dates are read as those that the model learned, where `csv` does not say otherwise.
void read_as_learned(CsvSeriesConfig& csv, const SeriesLearned& learned);
/// The same names, in whatever order.
bool same_columns(const std::vector<std::string>& some, const std::vector<std::string>& others);
/// The `data` setting that reads the columns the model learned, in its order, where the file has all of them and
/// `data` asks for no others; otherwise the file's own.
Part as_remembered(const Part& data, const SeriesLearned& learned);

/// Throws UsageError where another forecast is asked for than the model learned.
void check_forecast(const SeriesLearned& learned, int64_t input, int64_t horizon, const std::vector<double>& quantiles);
/// Throws Error where the file `name` goes in other steps than the model learned, unless its rows are taken as they
/// come.
void check_step(const SeriesLearned& learned, const Series& series, bool even, const std::string& name);

}  // namespace hadal
