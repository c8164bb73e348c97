#include "hadal/data/series/series.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

#include "hadal/core/utf8.h"
#include "hadal/io/bytes.h"
#include "hadal/io/csv.h"
#include "hadal/io/file.h"

namespace hadal {
namespace {

// A file of a few lines with dates far apart must not ask for all memory.
constexpr int64_t kMostAdded = 10;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c | 32 : c);
  return out;
}

/// The number of a field, NaN for a missing one; false when it is text.
bool read_value(std::string_view field, double& value) {
  static constexpr std::array missing = {"", "na", "n/a", "nan", "null", "none", "?", "-"};
  field = trim(field);
  if (field.starts_with('+')) field.remove_prefix(1);
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error == std::errc() && end == field.data() + field.size() && std::isfinite(value)) return true;
  value = NAN;
  return std::find(missing.begin(), missing.end(), lower(field)) != missing.end();
}

bool is_value(std::string_view field) {
  double value;
  return read_value(field, value);
}

/// Is it a number but for its comma?
bool has_decimal_comma(std::string_view field) {
  std::string text(trim(field));
  const auto comma = text.find(',');
  if (comma == std::string::npos) return false;
  text[comma] = '.';
  return is_value(text);
}

/// A file's rows before their dates are put in order.
struct Rows {
  std::vector<std::string> columns, dates;
  std::vector<int64_t> lines;
  std::vector<double> values;  // row by row
};

size_t find_date_column(const std::vector<std::string>& names, const std::vector<std::string_view>& first_row,
                        const SeriesOptions& options, const std::string& name) {
  if (!options.date.empty()) {
    const auto found = std::find(names.begin(), names.end(), options.date);
    if (found == names.end()) fail_usage("{} has no column \"{}\"{}", name, options.date, suggest(options.date, names));
    return static_cast<size_t>(found - names.begin());
  }
  static constexpr std::array usual = {"date", "datetime", "time", "timestamp", "utc_timestamp", "ds", "day", "month"};
  const auto is_date = [&](size_t i) { return parse_date(first_row[i]) || parse_date(first_row[i], true); };
  std::vector<size_t> candidates;  // they look like dates and are none
  for (const auto* word : usual)
    for (size_t i = 0; i < names.size(); ++i) {
      if (lower(names[i]) != word) continue;
      if (is_date(i)) return i;
      candidates.push_back(i);
    }
  // A year beside a month or day that is no date by itself is only a part of one.
  for (size_t i = 0; i < names.size() && candidates.empty(); ++i)
    if (lower(names[i]) == "year" && is_date(i)) return i;
  for (size_t i = 0; i < names.size(); ++i) {
    double number;
    if (read_value(first_row[i], number)) continue;
    if (is_date(i)) return i;
    if (std::find(candidates.begin(), candidates.end(), i) == candidates.end()) candidates.push_back(i);
  }
  std::string tried;
  for (const auto i : candidates)
    tried += fmt::format("{} \"{}\" holds {}", tried.empty() ? ":" : ",", names[i], shown(first_row[i]));
  throw FileError(name, fmt::format("no column holds dates{}; date=NAME names it, and 2016-07-31 13:00 is one", tried));
}

/// The columns to take, by their places.
std::vector<size_t> choose_columns(const std::vector<std::string>& names, size_t date, const SeriesOptions& options,
                                   const std::string& name) {
  std::vector<size_t> chosen;
  for (const auto& column : options.columns) {
    const auto found = std::find(names.begin(), names.end(), column);
    if (found == names.end()) fail_usage("{} has no column \"{}\"{}", name, column, suggest(column, names));
    chosen.push_back(static_cast<size_t>(found - names.begin()));
  }
  for (size_t i = 0; i < names.size() && options.columns.empty(); ++i)
    if (i != date) chosen.push_back(i);
  for (const auto i : chosen) {
    if (std::count(chosen.begin(), chosen.end(), i) > 1) fail_usage("columns= names \"{}\" twice", names[i]);
    if (std::count(names.begin(), names.end(), names[i]) > 1)
      throw FileError(name,
                      fmt::format("has more than one column called \"{}\"; columns=A,B takes others alone", names[i]));
  }
  return chosen;
}

/// Takes out a first column without a name that counts the rows: the index that pandas writes.
void drop_index(Rows& rows) {
  const auto width = rows.columns.size(), count = rows.lines.size();
  if (width == 0 || (!rows.columns[0].empty() && rows.columns[0] != "Unnamed: 0")) return;
  for (size_t i = 1; i < count; ++i)
    if (rows.values[i * width] != rows.values[(i - 1) * width] + 1) return;
  std::vector<double> values;
  for (size_t i = 0; i < rows.values.size(); ++i)
    if (i % width != 0) values.push_back(rows.values[i]);
  rows.values = std::move(values);
  rows.columns.erase(rows.columns.begin());
}

Rows read_rows(std::string_view text, const std::string& name, const SeriesOptions& options) {
  CsvReader reader(text, name);
  std::vector<std::string_view> fields;
  if (!reader.next(fields)) throw FileError(name, "the file is empty");
  std::vector<std::string> names;
  for (const auto field : fields) names.emplace_back(trim(field));
  Rows rows;
  size_t date = 0;
  std::vector<size_t> chosen;
  while (reader.next(fields)) {
    if (rows.lines.empty()) {
      date = find_date_column(names, fields, options, name);
      chosen = choose_columns(names, date, options, name);
      for (const auto i : chosen) rows.columns.push_back(names[i]);
      if (parse_date(names[date]) &&
          std::all_of(chosen.begin(), chosen.end(), [&](size_t i) { return is_value(names[i]); }))
        throw FileError(name, "has no line of names: its first line holds a date and numbers");
    }
    for (const auto i : chosen) {
      double value;
      if (!read_value(fields[i], value))
        throw FileError(
            reader.place(),
            fmt::format("column \"{}\" holds {}, which is no number{}; columns=A,B takes others alone", names[i],
                        shown(fields[i]), has_decimal_comma(fields[i]) ? " (2.5 is one, with a point)" : ""));
      rows.values.push_back(value);
    }
    rows.dates.emplace_back(fields[date]);
    rows.lines.push_back(reader.line());
  }
  if (options.columns.empty() && !chosen.empty() && chosen[0] == 0) drop_index(rows);
  if (!rows.lines.empty() && rows.columns.empty()) throw FileError(name, "has dates and no column of numbers");
  return rows;
}

/// The mean of each column over `rows`, missing values aside.
void mean_of_rows(const Rows& rows, const std::vector<size_t>& order, size_t begin, size_t end, double* out,
                  int64_t stride) {
  const auto channels = rows.columns.size();
  for (size_t c = 0; c < channels; ++c) {
    double sum = 0, count = 0;
    for (auto i = begin; i < end; ++i)
      if (const auto value = rows.values[order[i] * channels + c]; !std::isnan(value)) sum += value, ++count;
    out[static_cast<int64_t>(c) * stride] = count > 0 ? sum / count : NAN;
  }
}

}  // namespace

Micros Series::time(int64_t index) const {
  const auto last = length() - 1;
  return index <= last ? times.at(static_cast<size_t>(index)) : step.after(times.back(), index - last);
}

Series parse_series(std::string_view text, const std::string& name, const SeriesOptions& options) {
  check_utf8(text, name);  // what weights remember of a series is JSON
  const auto rows = read_rows(text, name, options);
  const bool day_first = options.day_first || begins_with_day(rows.dates);
  const auto count = rows.dates.size();
  std::vector<ZonedTime> written(count);
  for (size_t i = 0; i < count; ++i) {
    const auto date = parse_zoned(rows.dates[i], day_first);
    if (!date)
      throw FileError(fmt::format("{} line {}", name, rows.lines[i]),
                      fmt::format("{} is no date; 2016-07-31 13:00 is one", shown(rows.dates[i])));
    written[i] = *date;
  }
  // Where clocks are put forward and back, times of the day would leave a hole and come twice.
  const bool zones = std::any_of(written.begin(), written.end(), [](const auto& date) { return date.ahead; });
  const bool one_zone =
      std::all_of(written.begin(), written.end(), [&](const auto& date) { return date.ahead == written[0].ahead; });
  std::vector<Micros> dates(count);
  for (size_t i = 0; i < count; ++i) dates[i] = one_zone ? written[i].local : written[i].utc();
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  if (options.even)
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return dates[a] < dates[b]; });

  Series series;
  series.columns = rows.columns;
  series.day_first = day_first;
  if (zones) series.zone = zone_text(one_zone ? *written[0].ahead : 0);
  std::vector<size_t> starts;  // of each date among `order`
  for (size_t i = 0; i < count; ++i)
    if (i == 0 || !options.even || dates[order[i]] != dates[order[i - 1]]) {
      starts.push_back(i);
      series.times.push_back(dates[order[i]]);
    }
  if (starts.size() < 2) throw FileError(name, fmt::format("{} rows are no series; two are the least", starts.size()));
  series.step = find_step(series.times);
  const auto& step = series.step;
  if (step.months == 0 && step.micros <= 0)
    throw FileError(name, "most dates do not rise from row to row; even=true puts them in order");

  // Where each date lies on the even grid that begins with the first.
  std::vector<int64_t> places(starts.size());
  std::vector<Micros> grid;
  const auto limit = kMostAdded * static_cast<int64_t>(starts.size());
  for (size_t i = 0; i < starts.size(); ++i) {
    if (options.even) {
      const auto time = series.times[i];
      while (grid.empty() || grid.back() < time) {
        grid.push_back(step.after(series.times[0], static_cast<int64_t>(grid.size())));
        if (static_cast<int64_t>(grid.size()) > limit)
          throw FileError(name, fmt::format("most steps of {} between {} and {} have no row; even=false takes rows as "
                                            "they come",
                                            step.text(), format_date(series.times[0], series.zone),
                                            format_date(series.times.back(), series.zone)));
      }
      if (grid.back() != time) {
        const auto line = rows.lines[order[starts[i]]];
        throw FileError(
            fmt::format("{} line {}", name, line),
            fmt::format("{} is not a whole number of steps of {} after the first date, {}; "
                        "even=false takes rows as they come",
                        format_date(time, series.zone), step.text(), format_date(series.times[0], series.zone)));
      }
      places[i] = static_cast<int64_t>(grid.size()) - 1;
    } else {
      places[i] = static_cast<int64_t>(i);
    }
  }
  if (options.even) series.times = std::move(grid);
  const auto length = static_cast<int64_t>(series.times.size());
  series.values = torch::full({static_cast<int64_t>(series.columns.size()), length}, NAN, torch::kFloat64);
  auto* values = series.values.mutable_data_ptr<double>();
  for (size_t i = 0; i < starts.size(); ++i)
    mean_of_rows(rows, order, starts[i], i + 1 < starts.size() ? starts[i + 1] : count, values + places[i], length);
  return series;
}

Series read_series(const std::filesystem::path& path, const SeriesOptions& options) {
  const MappedFile file(path);
  return parse_series(file.text(), path.string(), options);
}

std::vector<std::string> read_columns(const std::filesystem::path& path) {
  const MappedFile file(path);
  CsvReader reader(file.text(), path.string());
  std::vector<std::string_view> fields;
  std::vector<std::string> names;
  if (reader.next(fields))
    for (const auto field : fields) names.emplace_back(trim(field));
  return names;
}

Tensor fill_holes(Series& series, int64_t longest, int64_t train_end, int64_t needed) {
  const auto known = series.values.isfinite();
  if (known.all().item<bool>()) return {};
  const auto length = series.length();
  for (int64_t c = 0; c < series.channels(); ++c) {
    const auto& column = series.columns[static_cast<size_t>(c)];
    auto* row = series.values.mutable_data_ptr<double>() + c * length;
    for (int64_t i = 0, stop = 0; i < length; i = std::max(i + 1, stop)) {
      if (!std::isnan(row[i])) continue;
      const bool train = i < train_end;
      const auto end = train ? std::min(train_end, length) : length;
      for (stop = i; stop < end && std::isnan(row[stop]);) ++stop;
      if (stop <= needed) continue;
      if (i == 0 && stop == end)
        fail("column \"{}\" has no value{}; columns=A,B takes others alone", column,
             end < length ? " before " + series.date(end) : "");
      if (stop - i > longest)
        fail(
            "column \"{}\" misses {} values from {} to {}; data.holes={} fills holes of up to {}, data.holes={} would "
            "fill this one, and even=false takes rows as they come",
            column, stop - i, series.date(i), series.date(stop - 1), longest, longest, stop - i);
      const auto left = i > 0 ? row[i - 1] : row[stop], right = train && stop < end ? row[stop] : left;
      for (auto k = i; k < stop; ++k)
        row[k] = left + (right - left) * static_cast<double>(k - i + 1) / static_cast<double>(stop - i + 1);
    }
  }
  return known;
}

Tensor calendar_features(const Series& series, int64_t first, int64_t count) {
  auto features = torch::empty({kCalendarFeatures, count});
  auto view = features.accessor<float, 2>();
  for (int64_t i = 0; i < count; ++i) {
    const auto date = calendar(series.time(first + i));
    const std::array<double, kCalendarFeatures> shares = {date.minute / 59.0, date.hour / 23.0, date.weekday / 6.0,
                                                          (date.day - 1) / 30.0, date.year_day / 365.0};
    for (int64_t f = 0; f < kCalendarFeatures; ++f) view[f][i] = static_cast<float>(shares[f] - 0.5);
  }
  return features;
}

}  // namespace hadal
