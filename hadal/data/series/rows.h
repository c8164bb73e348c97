// The table behind a series: its columns, and its rows as they are written.
#pragma once
#include "hadal/data/series/series.h"

namespace hadal {

struct Rows {
  std::vector<std::string> columns, dates;  // a date has its time behind it where a column of its own holds that
  std::vector<int64_t> lines;
  std::vector<double> values;  // row by row, NaN where one is missing
};

/// Chooses the columns that `options` mean. Rows without anything in them are passed over, as are columns at the end
/// with neither name nor value. Throws FileError with line and column for what is no number.
Rows read_rows(std::string_view text, const std::string& name, const SeriesOptions& options);

/// The names in the first line.
std::vector<std::string> read_names(std::string_view text, const std::string& name);

}  // namespace hadal
