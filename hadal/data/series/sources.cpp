#include "hadal/data/series/sources.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>
#include <optional>

#include "hadal/core/random.h"
#include "hadal/data/path.h"

namespace hadal {
namespace {

/// The first row that is not before `date`.
int64_t row_of(const Series& series, Micros date) {
  return std::lower_bound(series.times.begin(), series.times.end(), date) - series.times.begin();
}

/// The number that `text` is, all of it.
template <class T>
std::optional<T> as_number(const std::string& text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// `shares`: the borders before are shares, so that a 1 is all of the rows and not the first.
int64_t read_border(const Series& series, const std::string& text, bool shares) {
  if (const auto rows = as_number<int64_t>(text)) return shares && *rows == 1 ? series.length() : *rows;
  if (const auto share = as_number<double>(text); share && *share > 0 && *share <= 1)
    return static_cast<int64_t>(static_cast<double>(series.length()) * *share);
  if (const auto date = parse_zoned(text, series.day_first.value_or(false))) {
    if (!date->ahead) return row_of(series, date->local);
    return row_of(series, date->utc() + zone_ahead(series.zone).value_or(0));
  }
  fail_usage("data.borders wants rows (8640), shares (0.7) or dates (2017-07-01), got \"{}\"", text);
}

/// Rows of a month of 30 days in the ETT files; 0 for others.
int64_t ett_month(const std::string& name) {
  const auto file = std::filesystem::path(name).filename().string();
  return file.starts_with("ETTh") ? 30 * 24 : file.starts_with("ETTm") ? 30 * 24 * 4 : 0;
}

}  // namespace

std::pair<int64_t, int64_t> SplitSeries::rows(const std::string& split) const {
  if (split == "train") return {0, borders[0]};
  if (split == "val") return {borders[0], borders[1]};
  if (split == "test") return {borders[1], borders[2]};
  return {0, 0};
}

std::array<int64_t, 3> split_borders(const Series& series, const std::vector<std::string>& borders,
                                     const std::string& name) {
  const auto length = series.length();
  std::array<int64_t, 3> out;
  if (borders.empty()) {
    const auto month = ett_month(name);
    if (month > 0 && length >= 20 * month) return {12 * month, 16 * month, 20 * month};
    const auto train = static_cast<int64_t>(static_cast<double>(length) * 0.7);
    const auto test = static_cast<int64_t>(static_cast<double>(length) * 0.2);
    return {train, length - test, length};
  }
  require(borders.size() == 2 || borders.size() == 3,
          "data.borders wants where train, val and test end, such as 8640,11520,14400; got {}", borders.size());
  const bool shares = as_number<double>(borders[0]).value_or(1) < 1;
  for (size_t i = 0; i < 3; ++i) out[i] = i < borders.size() ? read_border(series, borders[i], shares) : length;
  if (out[0] <= 0 || out[0] > out[1] || out[1] > out[2] || out[2] > length)
    fail_usage("data.borders end after {}, {} and {} rows; they must rise and end within the {} rows of {}", out[0],
               out[1], out[2], length, name);
  return out;
}

Borders Setting<Borders>::read(const Value& value, const std::string& path, const Limit& limit) {
  Borders out;
  for (const auto& item : read_list(value, path)) {
    const bool number = item.get_if<int64_t>() || item.get_if<double>();
    out.texts.push_back(number ? item.text() : read_text(item, path, limit));
  }
  return out;
}

Fields<CsvSeriesConfig> CsvSeriesConfig::fields() {
  using C = CsvSeriesConfig;
  return {
      {"path", &C::path, "CSV file with a column of dates; $DATA is HADAL_DATA", file_path()},
      {"date", &C::date, "the column of dates (default: \"date\" or its like, else the first that holds some)"},
      {"columns", &C::columns, "the columns to take (default: all others but a nameless index)", example("OT,HUFL")},
      {"borders", &C::borders,
       "where train, val and test end: rows, shares or dates (default: ETT files 12/4/4 months, others 0.7,0.8,1.0)",
       example("8640,11520,14400")},
      {"day_first", &C::day_first, "1/7/2016 is in July; auto: where a day over 12 or even steps show it"},
      {"zone", &C::zone,
       "dates that name a zone are brought to this one: Z, +02:00 (default: as written where all name the same, else "
       "UTC)",
       example("+02:00")},
      {"even", &C::even, "false takes rows as they come, whatever their dates"},
      {"holes", &C::holes,
       "longest run of missing values that is filled: along a straight line for training, else with the last value",
       at_least(0)}};
}

void CsvSeriesConfig::validate() const { require(!path.empty(), "say which series: data=FILE.csv"); }

SplitSeries open_csv_series(const CsvSeriesConfig& config) {
  const auto path = data_path(config.path);
  SplitSeries out;
  out.series = read_series(path, {.date = config.date,
                                  .columns = config.columns,
                                  .day_first = config.day_first,
                                  .even = config.even,
                                  .zone = config.zone});
  out.borders = split_borders(out.series, config.borders.texts, path.string());
  out.known = fill_holes(out.series, config.holes, out.borders[0]);
  return out;
}

Fields<WavesConfig> WavesConfig::fields() {
  using C = WavesConfig;
  return {{"length", &C::length, "how many hours", between(10, 1e8)},
          {"channels", &C::channels, "how many columns", at_least(1)},
          {"noise", &C::noise, "standard deviation of what nobody can forecast", at_least(0)},
          {"seed", &C::seed, "another one draws another series", at_least(0)}};
}

SplitSeries draw_waves(const WavesConfig& config) {
  SplitSeries out;
  auto& series = out.series;
  series.step.micros = kHour;
  series.detail = DateDetail::minute;
  series.values = torch::empty({config.channels, config.length}, torch::kFloat64);
  for (int64_t i = 0; i < config.length; ++i)
    series.times.push_back(time_of({.year = 2024, .month = 1, .day = 1}) + i * kHour);
  for (int64_t c = 0; c < config.channels; ++c) {
    series.columns.push_back(fmt::format("wave {}", c + 1));
    Random random(static_cast<uint64_t>(config.seed), {static_cast<uint64_t>(c)});
    const auto day = random.uniform(0, 2 * std::numbers::pi), week = random.uniform(0, 2 * std::numbers::pi);
    const auto height = random.uniform(0.5, 1.5), drift = random.uniform(-1, 1);
    auto* row = series.values.mutable_data_ptr<double>() + c * config.length;
    for (int64_t i = 0; i < config.length; ++i) {
      const auto t = static_cast<double>(i) * 2 * std::numbers::pi / 24;
      row[i] = height * std::sin(t + day) + 0.5 * std::sin(t / 7 + week) +
               drift * static_cast<double>(i) / static_cast<double>(config.length) + config.noise * random.normal();
    }
  }
  out.borders = split_borders(series, {}, "");
  return out;
}

const SeriesCatalog& series_sources() {
  static const auto catalog = [] {
    SeriesCatalog made("kind of data", "data");
    made.add("csv", "a CSV file with a column of dates", CsvSeriesConfig{}, open_csv_series);
    made.add("waves", "waves that Hadal draws itself", WavesConfig{}, draw_waves);
    return made;
  }();
  return catalog;
}

Scale Scale::of(const Tensor& values, int64_t end) {
  const auto past = values.slice(1, 0, end);
  const auto low = past.amin(1, true), high = past.amax(1, true);
  // In units of a power of two, which changes no digit: so the squares of very large and very small values are numbers.
  const auto exponent = std::get<1>(torch::frexp(torch::maximum(low.abs(), high.abs()))) - 1;
  const auto unit = torch::ldexp(torch::ones_like(low), exponent), scaled = past / unit;
  const auto moves = low < high;  // what rounding leaves of a column that never moves is no deviation
  return {torch::where(moves, scaled.mean(1, true) * unit, low),
          torch::where(moves, scaled.std(1, false, true) * unit, torch::ones_like(low))};
}

Tensor Scale::apply(const Series& series, int64_t first) const {
  constexpr double kFarthest = 1e15;  // squares and their sums stay within float32
  const auto values = series.values.slice(1, first), scaled = (values - mean) / deviation;
  const auto far = (scaled.abs() > kFarthest) & values.isfinite();
  if (far.any().item<bool>()) {
    const auto at = far.nonzero()[0];
    const auto c = at[0].item<int64_t>(), row = first + at[1].item<int64_t>();
    fail(
        "column \"{}\" holds {:g} at {}, more than {:g} deviations from the mean that training saw: {:g}, deviation "
        "{:g}",
        series.columns[static_cast<size_t>(c)], series.values[c][row].item<double>(), series.date(row), kFarthest,
        mean[c][0].item<double>(), deviation[c][0].item<double>());
  }
  return scaled.to(torch::kFloat32).contiguous();
}

}  // namespace hadal
