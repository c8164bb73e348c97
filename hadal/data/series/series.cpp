#include "hadal/data/series/series.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "hadal/core/utf8.h"
#include "hadal/data/series/rows.h"
#include "hadal/io/archive.h"
#include "hadal/io/bytes.h"
#include "hadal/io/file.h"

namespace hadal {
namespace {

// A file of a few lines with dates far apart must not ask for all memory.
constexpr int64_t kMostAdded = 10;

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

/// Whether times, in any order, keep the step that most of them keep.
bool is_even(std::vector<Micros> times) {
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  if (times.size() < 2) return false;
  const auto step = find_step(times);
  const auto limit = kMostAdded * static_cast<int64_t>(times.size());
  int64_t place = 0;
  auto grid = times[0];
  for (const auto time : times) {
    while (grid < time) {
      if (++place > limit) return false;
      grid = step.after(times[0], place);
    }
    if (grid != time) return false;
  }
  return true;
}

/// How the dates of a file are read.
struct Dates {
  std::vector<Micros> times;
  std::string zone;
  bool day_first = false;
};

/// Nothing where one is no date; `bad` says which.
std::optional<Dates> read_dates(const Rows& rows, bool day_first, size_t& bad) {
  std::vector<ZonedTime> written(rows.dates.size());
  for (size_t i = 0; i < written.size(); ++i) {
    const auto date = parse_zoned(rows.dates[i], day_first);
    if (!date) return bad = i, std::nullopt;
    written[i] = *date;
  }
  const auto all = [&](auto&& of) {
    std::vector<Micros> times;
    for (const auto& date : written) times.push_back(of(date));
    return times;
  };
  const auto local = [&] { return all([](const auto& date) { return date.local; }); };
  const bool one_zone =
      std::all_of(written.begin(), written.end(), [&](const auto& date) { return date.ahead == written[0].ahead; });
  if (one_zone)
    return Dates{local(), !written.empty() && written[0].ahead ? zone_text(*written[0].ahead) : "", day_first};
  // Where clocks are put forward and back, times of the day would leave a hole and come twice; but days are days.
  Dates utc{all([](const auto& date) { return date.utc(); }), zone_text(0), day_first};
  if (!is_even(utc.times))
    if (auto times = local(); is_even(times)) return Dates{std::move(times), "", day_first};
  return utc;
}

Dates read_dates(const Rows& rows, const std::string& name, const SeriesOptions& options) {
  size_t bad = 0, ignored = 0;
  const bool day_first = options.day_first || begins_with_day(rows.dates);
  auto found = read_dates(rows, day_first, bad);
  // 1/2/2016 is what makes the steps even, where one reading does.
  const bool two_ways = !rows.dates.empty() && may_begin_with_day(rows.dates[0]);
  if (two_ways && !day_first && options.even && (!found || !is_even(found->times)))
    if (auto other = read_dates(rows, true, ignored); other && is_even(other->times)) return *std::move(other);
  if (!found)
    throw FileError(fmt::format("{} line {}", name, rows.lines[bad]),
                    fmt::format("{} is no date; 2016-07-31 13:00 is one", shown(rows.dates[bad])));
  return *std::move(found);
}

/// Rows share a date when clocks are put back. Where many do, something else tells them apart.
void refuse_several(const Rows& rows, const std::vector<size_t>& order, const std::vector<size_t>& starts,
                    const Series& series, const std::string& name) {
  if (series.merged * 4 <= std::ssize(order)) return;
  size_t i = 0;
  while (i + 1 < starts.size() && starts[i + 1] == starts[i] + 1) ++i;
  throw FileError(
      fmt::format("{} line {}", name, rows.lines[order[starts[i] + 1]]),
      fmt::format("{} is the date of line {} too: {} rows have {} dates. One column must hold day and time, "
                  "and of several series each wants a column",
                  format_date(series.times[i], series.zone), rows.lines[order[starts[i]]], order.size(),
                  starts.size()));
}

}  // namespace

Micros Series::time(int64_t index) const {
  const auto last = length() - 1;
  return index <= last ? times.at(static_cast<size_t>(index)) : step.after(times.back(), index - last);
}

Series parse_series(std::string_view text, const std::string& name, const SeriesOptions& options) {
  check_utf8(text, name);  // what weights remember of a series is JSON
  const auto rows = read_rows(text, name, options);
  const auto count = rows.dates.size();
  const auto [dates, zone, day_first] = read_dates(rows, name, options);
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  if (options.even)
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return dates[a] < dates[b]; });

  Series series;
  series.columns = rows.columns;
  series.day_first = day_first;
  series.zone = zone;
  std::vector<size_t> starts;  // of each date among `order`
  for (size_t i = 0; i < count; ++i)
    if (i == 0 || !options.even || dates[order[i]] != dates[order[i - 1]]) {
      starts.push_back(i);
      series.times.push_back(dates[order[i]]);
    }
  series.merged = static_cast<int64_t>(count - starts.size());
  if (options.even) refuse_several(rows, order, starts, series, name);
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
  return parse_series(read_gz(path), path.string(), options);
}

std::vector<std::string> read_columns(const std::filesystem::path& path) {
  return read_names(read_gz(path), path.string());
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
