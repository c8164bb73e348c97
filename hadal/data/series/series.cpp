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

/// Rows in the order of their dates, or as they come, and where each date begins among them.
struct Order {
  std::vector<size_t> rows, starts;
  std::vector<Micros> times;  // of each start

  int64_t merged() const { return std::ssize(rows) - std::ssize(starts); }
};
Order put_in_order(const std::vector<Micros>& dates, bool by_date = true) {
  Order order;
  order.rows.resize(dates.size());
  std::iota(order.rows.begin(), order.rows.end(), size_t{0});
  if (by_date)
    std::stable_sort(order.rows.begin(), order.rows.end(), [&](size_t a, size_t b) { return dates[a] < dates[b]; });
  for (size_t i = 0; i < dates.size(); ++i) {
    const auto date = dates[order.rows[i]];
    if (by_date && i > 0 && date == order.times.back()) continue;
    order.starts.push_back(i);
    order.times.push_back(date);
  }
  return order;
}

/// Even steps from the first of some rising times, and the place of each of these among them: until one does not fit.
struct Grid {
  std::vector<Micros> times;
  std::vector<int64_t> places;
};
Grid lay_out(const std::vector<Micros>& rising, const TimeStep& step) {
  Grid grid;
  const auto limit = kMostAdded * rising.size();
  for (const auto time : rising) {
    while (grid.times.empty() || grid.times.back() < time) {
      if (grid.times.size() == limit) return grid;
      grid.times.push_back(step.after(rising[0], std::ssize(grid.times)));
    }
    if (grid.times.back() != time) return grid;
    grid.places.push_back(std::ssize(grid.times) - 1);
  }
  return grid;
}

/// Whether times, in any order, keep the step that most of them keep.
bool is_even(const std::vector<Micros>& times) {
  const auto rising = put_in_order(times).times;
  return rising.size() > 1 && lay_out(rising, find_step(rising)).places.size() == rising.size();
}

/// How the dates of a file are read.
struct Dates {
  std::vector<Micros> times;
  std::string zone;
  bool day_first = false;
};

/// Nothing where one is no date; `bad` says which.
std::optional<Dates> read_dates(const Rows& rows, bool day_first, const std::string& zone, size_t& bad) {
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
  // Days are days, whatever zone their midnights are of.
  const bool hours = std::any_of(written.begin(), written.end(),
                                 [&](const auto& date) { return (date.local - written[0].local) % kDay != 0; });
  if (const auto own = zone_ahead(zone);
      own && hours && std::all_of(written.begin(), written.end(), [](const auto& date) { return date.ahead; }))
    return Dates{all([&](const auto& date) { return date.utc() + *own; }), zone_text(*own), day_first};
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
  require(options.zone.empty() || zone_ahead(options.zone),
          "data.zone wants Z or how far ahead of UTC, +02:00; got \"{}\"", options.zone);
  size_t bad = 0, ignored = 0;
  const bool day_first = options.day_first.value_or(false) || begins_with_day(rows.dates);
  auto found = read_dates(rows, day_first, options.zone, bad);
  // 1/2/2016 is what makes the steps even, where one reading does.
  const bool open = !options.day_first && !day_first && !rows.dates.empty() && may_begin_with_day(rows.dates[0]);
  if (open && options.even && (!found || !is_even(found->times)))
    if (auto other = read_dates(rows, true, options.zone, ignored); other && is_even(other->times))
      return *std::move(other);
  if (!found)
    throw FileError(fmt::format("{} line {}", name, rows.lines[bad]),
                    fmt::format("{} is no date; 2016-07-31 13:00 is one", shown(rows.dates[bad])));
  return *std::move(found);
}

/// Rows share a date when clocks are put back. Where many do, something else tells them apart.
void refuse_several(const Rows& rows, const Order& order, const std::string& zone, const std::string& name) {
  if (order.merged() * 4 <= std::ssize(order.rows)) return;
  const auto& starts = order.starts;
  size_t i = 0;
  while (i + 1 < starts.size() && starts[i + 1] == starts[i] + 1) ++i;
  throw FileError(
      fmt::format("{} line {}", name, rows.lines[order.rows[starts[i] + 1]]),
      fmt::format("{} is the date of line {} too: {} rows have {} dates. One column must hold day and time, "
                  "and of several series each wants a column",
                  format_date(order.times[i], zone), rows.lines[order.rows[starts[i]]], order.rows.size(),
                  starts.size()));
}

/// The whole grid of the dates; throws where one is off it.
Grid grid_of(const Rows& rows, const Order& order, const Series& series, const std::string& name) {
  auto grid = lay_out(order.times, series.step);
  const auto fit = grid.places.size();
  if (fit == order.times.size()) return grid;
  const auto time = order.times[fit];
  const auto date = [&](Micros t) { return format_date(t, series.zone); };
  if (fit == 0)  // months from their usual day on
    throw FileError(fmt::format("{} line {}", name, rows.lines[order.rows[order.starts[0]]]),
                    fmt::format("{} falls on day {} of its month, and most others on day {}; even=false takes rows as "
                                "they come",
                                date(time), calendar(time).day, calendar(grid.times[0]).day));
  if (grid.times.back() < time)
    throw FileError(name, fmt::format("most steps of {} between {} and {} have no row; even=false takes rows as they "
                                      "come",
                                      series.step.text(), date(order.times[0]), date(order.times.back())));
  throw FileError(fmt::format("{} line {}", name, rows.lines[order.rows[order.starts[fit]]]),
                  fmt::format("{} is not a whole number of steps of {} after the first date, {}; even=false takes rows "
                              "as they come",
                              date(time), series.step.text(), date(order.times[0])));
}

}  // namespace

Micros Series::time(int64_t index) const {
  const auto last = length() - 1;
  return index <= last ? times.at(static_cast<size_t>(index)) : step.after(times.back(), index - last);
}

Series parse_series(std::string_view text, const std::string& name, const SeriesOptions& options) {
  check_utf8(text, name);  // what weights remember of a series is JSON
  const auto rows = read_rows(text, name, options);
  const auto dates = read_dates(rows, name, options);
  const auto order = put_in_order(dates.times, options.even);
  const auto count = order.starts.size();
  if (options.even) refuse_several(rows, order, dates.zone, name);
  if (count < 2) throw FileError(name, fmt::format("{} rows are no series; two are the least", count));

  Series series;
  series.columns = rows.columns;
  series.zone = dates.zone;
  if (may_begin_with_day(rows.dates[0])) series.day_first = dates.day_first;
  series.merged = order.merged();
  series.step = find_step(order.times);
  if (options.weekdays && series.step.micros == kDay && none_in_a_weekend(order.times))
    series.step.skips_weekend = true;
  if (series.step.months == 0 && series.step.micros <= 0) {
    refuse_several(rows, put_in_order(dates.times), dates.zone, name);
    throw FileError(name, "most dates do not rise from row to row; even=true puts them in order");
  }
  std::vector<int64_t> places(count);
  std::iota(places.begin(), places.end(), int64_t{0});
  series.times = order.times;
  if (options.even) {
    auto grid = grid_of(rows, order, series, name);
    series.times = std::move(grid.times), places = std::move(grid.places);
  }
  const auto length = std::ssize(series.times);
  series.added = length - static_cast<int64_t>(count);
  series.detail = detail_of(series.times, series.step);
  series.values = torch::full({std::ssize(series.columns), length}, NAN, torch::kFloat64);
  auto* values = series.values.mutable_data_ptr<double>();
  for (size_t i = 0; i < count; ++i)
    mean_of_rows(rows, order.rows, order.starts[i], i + 1 < count ? order.starts[i + 1] : order.rows.size(),
                 values + places[i], length);
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
            "fill this one{}",
            column, stop - i, series.date(i), series.date(stop - 1), longest, longest, stop - i,
            series.added > 0 ? ", and even=false takes rows as they come" : "");
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
