// A trained forecaster: what a series will be beyond its end, and how surprising its rows were.
#pragma once
#include "hadal/models/forecast/forecaster.h"
#include "hadal/trained/open.h"
#include "hadal/trained/series/forecast_answers.h"
#include "hadal/trained/series/series_learned.h"

namespace hadal {

struct ForecastOptions {
  bool anomalies = false;
  int64_t top = 5;
  static Fields<ForecastOptions> fields();
};

struct ForecasterConfig {
  Part model{"patchtst", {}}, data{"csv", {}};
  int64_t input = 336, horizon = 96;
  std::vector<double> quantiles;
  ForecastOptions predict;

  static Fields<ForecasterConfig> fields();
  /// Quantiles rise and hold the median, which is the forecast where one number is wanted.
  void validate() const;
};

class TrainedForecaster : public Trained {
 public:
  /// Of `data` only how a file is read counts here. Throws Error where nothing was learned of a series, UsageError for
  /// another forecast than the one learned.
  TrainedForecaster(ForecasterConfig config, const Table& learned, const Use& use);

  Forecaster& model() override { return *model_; }
  Takes takes() const override { return Takes::table; }
  std::string summary() const override;
  int64_t at_once() const override { return 1; }
  /// For each CSV file {"input", "columns", "dates", "forecast"} (see forecast_json), the numbers as a table and a
  /// picture; with `anomalies` the most surprising rows, the scores of all as a table, and a picture. A value that was
  /// missing has no score.
  std::vector<Answer> predict(std::span<const Input> inputs, const Table& options = {}) override;

  /// What comes behind the series' last row. It has the learned columns, in their order.
  SeriesForecast operator()(Series series);
  /// The squared error of the forecast one step ahead, on the scaled numbers, of a series without holes: (C, T)
  /// float64, NaN for the first `input` rows, which are only seen. Nothing after a row enters its score.
  Tensor surprise(const Series& series);

  const ForecasterConfig& config() const { return config_; }
  const SeriesLearned& learned() const { return learned_; }

 private:
  Series read(const Input& input) const;
  Answer forecast(const Input& input);
  Answer score(const Input& input, int64_t top);

  ForecasterConfig config_;
  Use use_;
  SeriesLearned learned_;
  std::shared_ptr<Forecaster> model_;
};

/// auto forecaster = load_forecaster("runs/etth1-patchtst"); auto next = (*forecaster)(read_series("load.csv"));
std::unique_ptr<TrainedForecaster> load_forecaster(const std::filesystem::path& what, const UseOptions& options = {});

void register_trained_forecaster(TrainedCatalog& catalog);

}  // namespace hadal
