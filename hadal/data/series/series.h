// Series of numbers over even steps of time, and the CSV files that hold them.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hadal/core/torch.h"
#include "hadal/data/series/dates.h"

namespace hadal {

struct Series {
  std::vector<std::string> columns;  // C
  Tensor values;                     // (C, T) float64, NaN where a value is missing
  std::vector<Micros> times;         // T, rising; as written where all are of one zone, else UTC
  std::string zone;  // "+01:00", or "Z"; empty where the dates name none, or several but the same time of day
  TimeStep step;
  std::optional<bool> day_first;  // how dates like 1/7/2016 were read; others begin with the year or name the month
  int64_t merged = 0;             // rows that had another's date
  int64_t added = 0;              // rows that the file lacks, of missing values
  DateDetail detail = DateDetail::day;  // how much of a date is written, the same for all

  int64_t length() const { return values.size(1); }
  int64_t channels() const { return values.size(0); }
  /// When row `index` is; beyond the last row, by steps.
  Micros time(int64_t index) const;
  /// The same as text, with its zone.
  std::string date(int64_t index) const { return format_date(time(index), zone, detail); }
};

struct SeriesOptions {
  std::string date;                  // the column of dates; empty: "date" or its like, else the first that holds some
  std::vector<std::string> columns;  // empty: all others, but for a nameless first one that only counts the rows
  std::optional<bool> day_first;     // 1/7/2016 is in July; unset: where a day over 12 or even steps show it
  bool even = true;                  // false: rows as they come, whatever their dates
  std::string zone;       // "+02:00", "Z": times, not days, that name a zone are brought to it; empty: see Series
  bool weekdays = false;  // days none of which is in a weekend are business days, however few they are
};

/// Reads a table with a line of names and a column of dates, their time of day in it or in another one. Empty fields,
/// NA, NaN, null, none, <NA>, #N/A, ?, -, -- and . are missing values. Rows are put in the order of their dates; rows
/// of one date (when clocks go back) become their mean; dates that are left out become rows of missing values. Throws
/// FileError, with line and column, for bytes that are not UTF-8, text in a number column, two columns of one name, a
/// date that is none, dates that do not keep the step that most of them keep, more than a quarter of the rows with
/// another's date, and fewer than two rows.
Series parse_series(std::string_view text, const std::string& name, const SeriesOptions& options = {});
/// The file may be gzip.
Series read_series(const std::filesystem::path& path, const SeriesOptions& options = {});
/// The names in a table's first line.
std::vector<std::string> read_columns(const std::filesystem::path& path);

/// Fills holes of up to `longest` missing values in a row. Within the training rows, [0, train_end), along straight
/// lines; everywhere behind them, and at their end, with the last value before, for a forecast that is judged knows
/// nothing of what comes after. A hole at the very beginning takes the first value. Holes that end before row `needed`
/// stay. Throws Error, with column and dates, for a longer hole and for a column without any value. Returns what was
/// known: (C, T) bool, or undefined where nothing was missing.
Tensor fill_holes(Series& series, int64_t longest, int64_t train_end, int64_t needed = 0);

/// (5, count) float32 in [-0.5, 0.5] for the rows from `first` on, beyond the end too: minute of the hour, hour of the
/// day, day of the week, of the month and of the year.
Tensor calendar_features(const Series& series, int64_t first, int64_t count);
inline constexpr int64_t kCalendarFeatures = 5;

}  // namespace hadal
