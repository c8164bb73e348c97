#include "hadal/data/series.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

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
  static constexpr std::array usual = {"date", "datetime", "time", "timestamp", "ds", "day", "month"};
  for (const auto* word : usual)
    for (size_t i = 0; i < names.size(); ++i)
      if (lower(names[i]) == word) return i;
  for (size_t i = 0; i < names.size(); ++i) {
    double number;
    if (!read_value(first_row[i], number) && (parse_date(first_row[i]) || parse_date(first_row[i], true))) return i;
  }
  throw FileError(name, "no column holds dates; date=NAME names it");
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
      if (options.columns.empty()) {
        for (size_t i = 0; i < names.size(); ++i)
          if (i != date) chosen.push_back(i);
      } else {
        for (const auto& column : options.columns) {
          const auto found = std::find(names.begin(), names.end(), column);
          if (found == names.end()) fail_usage("{} has no column \"{}\"{}", name, column, suggest(column, names));
          chosen.push_back(static_cast<size_t>(found - names.begin()));
        }
      }
      if (chosen.empty()) throw FileError(name, "has dates and no column of numbers");
      for (const auto i : chosen) rows.columns.push_back(names[i]);
    }
    for (const auto i : chosen) {
      double value;
      if (!read_value(fields[i], value))
        throw FileError(reader.place(),
                        fmt::format("column \"{}\" holds {}, which is no number; columns=A,B takes others alone",
                                    names[i], shown(fields[i])));
      rows.values.push_back(value);
    }
    rows.dates.emplace_back(fields[date]);
    rows.lines.push_back(reader.line());
  }
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
  const auto rows = read_rows(text, name, options);
  const bool day_first = options.day_first || begins_with_day(rows.dates);
  const auto count = rows.dates.size();
  std::vector<Micros> dates(count);
  for (size_t i = 0; i < count; ++i) {
    const auto date = parse_date(rows.dates[i], day_first);
    if (!date)
      throw FileError(fmt::format("{} line {}", name, rows.lines[i]),
                      fmt::format("{} is no date; 2016-07-31 13:00 is one", shown(rows.dates[i])));
    dates[i] = *date;
  }
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  if (options.even)
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return dates[a] < dates[b]; });

  Series series;
  series.columns = rows.columns;
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
          throw FileError(name,
                          fmt::format("most steps of {} between {} and {} have no row; even=false takes rows as "
                                      "they come",
                                      step.text(), format_date(series.times[0]), format_date(series.times.back())));
      }
      if (grid.back() != time) {
        const auto line = rows.lines[order[starts[i]]];
        throw FileError(fmt::format("{} line {}", name, line),
                        fmt::format("{} is not a whole number of steps of {} after the first date, {}; "
                                    "even=false takes rows as they come",
                                    format_date(time), step.text(), format_date(series.times[0])));
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

Tensor fill_holes(Series& series, int64_t longest, const std::vector<int64_t>& borders) {
  const auto known = series.values.isfinite();
  if (known.all().item<bool>()) return {};
  const auto length = series.length();
  for (int64_t c = 0; c < series.channels(); ++c) {
    auto* row = series.values.mutable_data_ptr<double>() + c * length;
    int64_t begin = 0;
    for (size_t piece = 0; piece <= borders.size(); ++piece) {
      const auto end = piece < borders.size() ? std::min(borders[piece], length) : length;
      for (auto i = begin; i < end; ++i) {
        if (!std::isnan(row[i])) continue;
        auto stop = i;
        while (stop < end && std::isnan(row[stop])) ++stop;
        const bool before = i > 0, after = stop < end;
        if (stop - i > longest || (!before && !after))
          fail("column \"{}\" misses {} values from {} to {}; data.holes={} fills holes of up to {}",
               series.columns[static_cast<size_t>(c)], stop - i, format_date(series.time(i)),
               format_date(series.time(stop - 1)), longest, longest);
        const auto left = before ? row[i - 1] : row[stop], right = after ? row[stop] : left;
        for (auto k = i; k < stop; ++k)
          row[k] = left + (right - left) * static_cast<double>(k - i + 1) / static_cast<double>(stop - i + 1);
        i = stop;
      }
      begin = end;
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
