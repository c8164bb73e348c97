// Series by name, cut into a past to learn from and a future to be judged by: what `data.kind` of a forecast chooses.
#pragma once
#include <array>
#include <memory>

#include "hadal/core/catalog.h"
#include "hadal/data/series/series.h"

namespace hadal {

struct SplitSeries {
  Series series;
  Tensor known;                         // (C, T) bool, false where a hole was filled; undefined where there was none
  std::array<int64_t, 3> borders = {};  // the row behind the last one of train, val and test

  /// The rows [first, second) that `split` forecasts; none for what is no split.
  std::pair<int64_t, int64_t> rows(const std::string& split) const;
};

/// As a recipe writes them, numbers or texts: [8640, 11520, 14400], [0.7, 0.8], ["2017-07-01", "2017-11-01"].
struct Borders {
  std::vector<std::string> texts;
};
template <>
struct Setting<Borders> {
  static std::string type() { return "list of rows, shares or dates"; }
  static Borders read(const Value& value, const std::string& path, const Limit& limit);
  static Value write(const Borders& borders) { return Setting<std::vector<std::string>>::write(borders.texts); }
};

struct CsvSeriesConfig {
  std::string path, date, zone;
  std::vector<std::string> columns;
  Borders borders;
  std::optional<bool> day_first;
  bool even = true;
  int64_t holes = 24;

  static Fields<CsvSeriesConfig> fields();
  void validate() const;
};
SplitSeries open_csv_series(const CsvSeriesConfig& config);

/// Hourly sums of daily and weekly waves, a slow drift and noise, each channel with its own: the same for the same
/// seed.
struct WavesConfig {
  int64_t length = 2000, channels = 3, seed = 1;
  double noise = 0.2;

  static Fields<WavesConfig> fields();
};
SplitSeries draw_waves(const WavesConfig& config);

using SeriesCatalog = Catalog<SplitSeries>;
const SeriesCatalog& series_sources();

/// Where train, val and test end. Without `borders`: files called ETTh... and ETTm... by the 12, 4 and 4 months of 30
/// days that their literature takes, others after 70, 10 and 20 % of the rows. A border is a number of rows (8640), a
/// share of them (0.7; a 1 behind a share is one too), or a date, read as the series' own, which begins the next split;
/// the third may be left out.
std::array<int64_t, 3> split_borders(const Series& series, const std::vector<std::string>& borders,
                                     const std::string& name);

/// The rows' means and standard deviations (C, 1) float64, from [0, end) alone. A column that never moves has 1.
struct Scale {
  Tensor mean, deviation;

  static Scale of(const Tensor& values, int64_t end);
  /// (C, T - first) float32, of the rows from `first` on. Throws Error, with column and date, for a value so far from
  /// the mean that its square is none in float32.
  Tensor apply(const Series& series, int64_t first = 0) const;
  Tensor undo(const Tensor& values) const { return values.to(torch::kFloat64) * deviation + mean; }
};

}  // namespace hadal
