#include "hadal/trained/series/forecaster.h"

#include <algorithm>
#include <functional>

#include "hadal/io/image.h"
#include "hadal/metrics/forecast.h"
#include "hadal/trained/summary.h"

namespace hadal {
namespace {

/// How the file that the model was trained on is read: the same settings serve for others of its kind.
CsvSeriesConfig reading(const Part& data, const SeriesLearned& learned) {
  CsvSeriesConfig csv;
  if (data.name == "csv") read_config(csv, data.settings, "data");
  if (!csv.columns.empty() && !same_columns(csv.columns, learned.columns))
    fail_usage("columns={} is not what the model learned: leave it out, and it forecasts {}, or train one on them",
               fmt::join(csv.columns, ","), fmt::join(learned.columns, ","));
  csv.columns = learned.columns;
  read_as_learned(csv, learned);
  return csv;
}

/// The scores (C, T) of values that were there. NaN for those that were filled, and as long as some column has not
/// begun: its first values were filled from what came after.
Tensor scores_of_known(const Tensor& scores, const Tensor& known) {
  if (!known.defined()) return scores;
  const auto begun = known.cumsum(1).gt(0).all(0);  // (T)
  auto out = torch::full_like(scores, NAN);
  const auto later = known.slice(1, 1) & begun.slice(0, 0, -1);
  out.slice(1, 1).copy_(scores.slice(1, 1).masked_fill(~later, NAN));
  return out;
}

}  // namespace

Fields<ForecastOptions> ForecastOptions::fields() {
  using C = ForecastOptions;
  return {{"anomalies", &C::anomalies, "say how surprising each row is, instead of what comes next"},
          {"top", &C::top, "rows that an answer with anomalies holds, the most surprising first", at_least(1)}};
}

Fields<ForecasterConfig> ForecasterConfig::fields() {
  using C = ForecasterConfig;
  return {{"model", &C::model, "the network", forecasters().kinds()},
          {"data", &C::data, "where the series comes from", series_sources().kinds("kind")},
          {"input", &C::input, "steps of the past that are seen", at_least(1)},
          {"horizon", &C::horizon, "steps that are forecast", at_least(1)},
          {"quantiles", &C::quantiles,
           "forecast these shares of the distribution, 0.5 among them, instead of one value", example("0.1,0.5,0.9")},
          {"predict", &C::predict, "what predict answers"}};
}

void ForecasterConfig::validate() const {
  for (const auto quantile : quantiles)
    require(quantile > 0 && quantile < 1, "quantiles lie between 0 and 1, got {}", quantile);
  require(std::is_sorted(quantiles.begin(), quantiles.end(), std::less_equal<>()), "quantiles must rise: {}",
          fmt::join(quantiles, ","));
  require(quantiles.empty() || std::find(quantiles.begin(), quantiles.end(), 0.5) != quantiles.end(),
          "quantiles must hold the median, 0.5, which is the forecast itself: quantiles=0.1,0.5,0.9; got {}",
          fmt::join(quantiles, ","));
}

TrainedForecaster::TrainedForecaster(ForecasterConfig config, const Table& learned, const Use& use)
    : config_(std::move(config)), use_(use), learned_(SeriesLearned::from(learned)) {
  check_forecast(learned_, config_.input, config_.horizon, config_.quantiles);
  torch::manual_seed(use_.seed);
  config_.model = forecasters().resolve(config_.model);
  model_ = forecasters().make(config_.model, {.channels = std::ssize(learned_.columns),
                                              .input = config_.input,
                                              .horizon = config_.horizon,
                                              .outputs = std::max<int64_t>(1, std::ssize(config_.quantiles)),
                                              .calendar_features = kCalendarFeatures});
  if (use_.weights) load_into(*model_, *use_.weights, use_.learns);
  model_->to(use_.device);
}

std::string TrainedForecaster::summary() const {
  return fmt::format("{}, {} channels, {} steps seen, {} forecast", model_summary(config_.model.name, *model_),
                     learned_.columns.size(), config_.input, config_.horizon);
}

Series TrainedForecaster::read(const Input& input) const {
  const auto csv = reading(config_.data, learned_);
  const SeriesOptions how{.date = csv.date,
                          .columns = csv.columns,
                          .day_first = csv.day_first,
                          .even = csv.even,
                          .zone = csv.zone,
                          .weekdays = learned_.step == TimeStep{.micros = kDay, .skips_weekend = true}.text()};
  auto series = parse_series(input.bytes, input.name, how);
  if (series.length() < config_.input)
    fail("{} has {} rows; the model sees {} before it forecasts", input.name, series.length(), config_.input);
  check_step(learned_, series, csv.even, input.name);
  return series;
}

SeriesForecast TrainedForecaster::operator()(Series series) {
  const Using guard(*model_, use_);
  const auto input = config_.input, from = series.length() - input;
  require(from >= 0, "the series has {} rows; the model sees {} before it forecasts", series.length(), input);
  fill_holes(series, reading(config_.data, learned_).holes, 0, from);  // older holes are never seen
  const auto scale = learned_.scale();
  const auto history = scale.apply(series, from).unsqueeze(0);
  const auto calendar = calendar_features(series, from, input + config_.horizon).unsqueeze(0);
  const auto forecast = model_->forward(history.to(use_.device), calendar.to(use_.device)).to(torch::kFloat32).cpu();
  const auto scaled = rising_quantiles(forecast)[0];
  const Scale wide{scale.mean.unsqueeze(1), scale.deviation.unsqueeze(1)};
  return {std::move(series), wide.undo(scaled)};
}

Tensor TrainedForecaster::surprise(const Series& series) {
  const Using guard(*model_, use_);
  const auto input = config_.input, horizon = config_.horizon, length = series.length();
  const auto scaled = learned_.scale().apply(series);
  const auto calendar = calendar_features(series, 0, length + horizon);
  auto out = torch::full({series.channels(), length}, NAN, torch::kFloat64);
  const auto at_middle = middle_of(config_.quantiles);
  for (auto begin = input; begin < length; begin += use_.batch) {
    const auto count = std::min(use_.batch, length - begin);
    std::vector<Tensor> histories, dates;
    for (auto row = begin; row < begin + count; ++row) {
      histories.push_back(scaled.slice(1, row - input, row));
      dates.push_back(calendar.slice(1, row - input, row + horizon));
    }
    const auto forecast = model_->forward(torch::stack(histories).to(use_.device), torch::stack(dates).to(use_.device));
    const auto next =
        rising_quantiles(forecast).to(torch::kFloat64).cpu().select(3, 0).select(2, at_middle).t();  // (C, count)
    out.slice(1, begin, begin + count).copy_((next - scaled.slice(1, begin, begin + count)).square());
  }
  return out;
}

Answer TrainedForecaster::forecast(const Input& input) {
  auto made = std::make_shared<const SeriesForecast>((*this)(read(input)));
  const auto& quantiles = config_.quantiles;
  Answer answer{forecast_json(input.name, *made, quantiles), {}, {}};
  answer.files.push_back({"-forecast.csv", [=] { return forecast_csv(*made, quantiles); }});
  if (has_image_formats())
    answer.files.push_back({"-forecast.png", [=] { return encode_png(forecast_picture(*made, quantiles)); }});
  return answer;
}

Answer TrainedForecaster::score(const Input& input, int64_t top) {
  auto series = read(input);
  const auto known = fill_holes(series, reading(config_.data, learned_).holes, 0);
  const auto each = scores_of_known(surprise(series), known);
  const auto made = std::make_shared<const SeriesScores>(SeriesScores{std::move(series), each, config_.input});
  Answer answer{scores_json(input.name, *made, top), {}, {}};
  answer.files.push_back({"-anomalies.csv", [=] { return scores_csv(*made); }});
  if (has_image_formats() && each.isfinite().any().item<bool>())
    answer.files.push_back({"-anomalies.png", [=] { return encode_png(scores_picture(*made)); }});
  return answer;
}

std::vector<Answer> TrainedForecaster::predict(std::span<const Input> inputs, const Table& given) {
  const auto options = options_over(config_.predict, given, "predict");
  reading(config_.data, learned_);  // wrong columns are the caller's mistake, not a file's
  std::vector<Answer> answers;
  for (const auto& input : inputs) try {
      answers.push_back(options.anomalies ? score(input, options.top) : forecast(input));
    } catch (const Error& error) {
      answers.push_back({{}, {}, error.what()});
    }
  return answers;
}

std::unique_ptr<TrainedForecaster> load_forecaster(const std::filesystem::path& what, const UseOptions& options) {
  return load_as<TrainedForecaster>("forecast", what, options);
}

void register_trained_forecaster(TrainedCatalog& catalog) {
  catalog.add("forecast", "series: what comes next, or how surprising rows were", ForecasterConfig{},
              [](const ForecasterConfig& config, const Table& learned, const Use& use) {
                return std::make_unique<TrainedForecaster>(config, learned, use);
              });
}

}  // namespace hadal
