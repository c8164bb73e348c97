#include "hadal/tasks/series/forecast_predict.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

#include "hadal/io/csv.h"
#include "hadal/io/file.h"
#include "hadal/io/image.h"
#include "hadal/io/plot.h"
#include "hadal/metrics/forecast.h"
#include "hadal/tasks/predictions.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// How the file that the model was trained on is read: the same settings serve for others of its kind.
CsvSeriesConfig reading(const ForecastConfig& config, const SeriesMemory& memory) {
  CsvSeriesConfig csv;
  if (config.data.name == "csv") read_config(csv, config.data.settings, "data");
  if (!csv.columns.empty() && !same_columns(csv.columns, memory.columns))
    fail_usage("columns={} is not what the model learned: leave it out, and it forecasts {}, or train one on them",
               fmt::join(csv.columns, ","), fmt::join(memory.columns, ","));
  csv.columns = memory.columns;
  read_as_learned(csv, memory);
  return csv;
}

/// NAME-`what` for each input: with a number where that is taken or OUT/NAME-`what`.csv is itself an input.
std::vector<std::string> output_names(const PredictOptions& options, const std::string& what) {
  std::set<fs::path> taken;
  for (const auto& input : options.inputs) taken.insert(fs::weakly_canonical(input));
  std::vector<std::string> names;
  for (const auto& input : options.inputs) {
    const auto first = fs::path(input).stem().string() + "-" + what;
    auto name = first;
    for (int64_t i = 2; !taken.insert(fs::weakly_canonical(options.out / (name + ".csv"))).second; ++i)
      name = fmt::format("{}-{}", first, i);
    names.push_back(name);
  }
  return names;
}

struct Answer {
  Series series;
  Tensor values;  // (C, Q, H) float64, in the file's own numbers
};

std::vector<double> numbers(const Tensor& row) {
  const auto flat = row.contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

/// Where the median is; 0 for points.
int64_t middle(const std::vector<double>& quantiles) {
  return quantiles.empty() ? 0 : std::find(quantiles.begin(), quantiles.end(), 0.5) - quantiles.begin();
}

Json as_json(const std::string& path, const Answer& answer, const std::vector<double>& quantiles) {
  const auto& series = answer.series;
  Json json = {{"input", path}, {"columns", series.columns}, {"dates", Json::array()}, {"forecast", Json::object()}};
  for (int64_t h = 0; h < answer.values.size(2); ++h) json["dates"].push_back(series.date(series.length() + h));
  const auto by_column = [&](int64_t q) {
    auto object = Json::object();
    for (int64_t c = 0; c < series.channels(); ++c)
      object[series.columns[static_cast<size_t>(c)]] = numbers(answer.values[c][q]);
    return object;
  };
  json["forecast"] = by_column(middle(quantiles));
  for (size_t q = 0; q < quantiles.size(); ++q)
    json["quantiles"][fmt::format("{:g}", quantiles[q])] = by_column(static_cast<int64_t>(q));
  return json;
}

/// date and a column each, with quantiles one a quantile: "OT 0.1".
std::string as_csv(const Answer& answer, const std::vector<double>& quantiles) {
  const auto& series = answer.series;
  std::string text = "date";
  for (const auto& column : series.columns)
    for (size_t q = 0; q < std::max<size_t>(1, quantiles.size()); ++q)
      text += "," + csv_field(quantiles.empty() ? column : fmt::format("{} {:g}", column, quantiles[q]));
  text += '\n';
  for (int64_t h = 0; h < answer.values.size(2); ++h) {
    text += series.date(series.length() + h);
    for (int64_t c = 0; c < series.channels(); ++c)
      for (int64_t q = 0; q < answer.values.size(1); ++q)
        text += fmt::format(",{}", answer.values[c][q][h].item<double>());
    text += '\n';
  }
  return text;
}

/// History, forecast and band of every column, at most eight, below each other.
Tensor as_picture(const Answer& answer, const std::vector<double>& quantiles) {
  const auto& series = answer.series;
  const auto horizon = answer.values.size(2), seen = std::min(series.length(), 2 * horizon);
  const auto at_middle = middle(quantiles);
  std::vector<Tensor> plots;
  for (int64_t c = 0; c < std::min<int64_t>(series.channels(), 8); ++c) {
    Plot plot{series.columns[static_cast<size_t>(c)], {}, {}, {}};
    PlotLine history{"history", {}, {70, 70, 70}}, forecast{"forecast", {}, {214, 69, 65}};
    const auto past = numbers(series.values[c].slice(0, series.length() - seen));
    for (int64_t i = 0; i < seen; ++i)  // holes before what the model sees are still there
      if (!std::isnan(past[static_cast<size_t>(i)]))
        history.points.emplace_back(i - seen, past[static_cast<size_t>(i)]);
    forecast.points.push_back(history.points.back());
    const auto future = numbers(answer.values[c][at_middle]);
    for (int64_t h = 0; h < horizon; ++h) forecast.points.emplace_back(h, future[static_cast<size_t>(h)]);
    if (quantiles.size() > 1) {
      PlotBand band{fmt::format("{:g} to {:g}", quantiles.front(), quantiles.back()), {}, {}, {}, {236, 151, 31}};
      band.low = numbers(answer.values[c][0]);
      band.high = numbers(answer.values[c][-1]);
      for (int64_t h = 0; h < horizon; ++h) band.x.push_back(static_cast<double>(h));
      plot.bands.push_back(std::move(band));
    }
    plot.lines = {std::move(history), std::move(forecast)};
    for (const auto place : {-seen, int64_t{0}, horizon - 1})
      plot.marks.emplace_back(place, series.date(series.length() + place));
    plots.push_back(draw_plot(plot, 960, 260));
  }
  return torch::cat(plots, 0);
}

Series read_input(const TrainedForecaster& f, const CsvSeriesConfig& csv, const std::string& path) {
  const SeriesOptions how{.date = csv.date,
                          .columns = csv.columns,
                          .day_first = csv.day_first,
                          .even = csv.even,
                          .zone = csv.zone,
                          .weekdays = f.memory.step == TimeStep{.micros = kDay, .skips_weekend = true}.text()};
  auto series = read_series(path, how);
  if (series.length() < f.config.input)
    fail("{} has {} rows; the model sees {} before it forecasts", path, series.length(), f.config.input);
  check_step(f.memory, series, csv.even, path);
  return series;
}

Answer forecast_file(const TrainedForecaster& f, const CsvSeriesConfig& csv, const std::string& path) {
  Answer answer{read_input(f, csv, path), {}};
  auto& series = answer.series;
  const auto input = f.config.input, from = series.length() - input;
  fill_holes(series, csv.holes, 0, from);  // older holes are never seen
  const auto history = f.memory.scale.apply(series, from).unsqueeze(0);
  const auto calendar = calendar_features(series, from, input + f.config.horizon).unsqueeze(0);
  const auto forecast = f.model.forward(history.to(f.device), calendar.to(f.device)).to(torch::kFloat32).cpu();
  const auto scaled = rising_quantiles(forecast)[0];
  const Scale scale{f.memory.scale.mean.unsqueeze(1), f.memory.scale.deviation.unsqueeze(1)};
  answer.values = scale.undo(scaled);
  return answer;
}

/// Writes table and picture of a forecast, called `name`; gives its line.
Json forecast(const TrainedForecaster& f, const CsvSeriesConfig& csv, const std::string& path, const std::string& name,
              const PredictOptions& options) {
  const auto answer = forecast_file(f, csv, path);
  write_file(options.out / (name + ".csv"), as_csv(answer, f.config.quantiles));
  if (options.pictures && has_image_formats())
    write_image(options.out / "pictures" / (name + ".png"), as_picture(answer, f.config.quantiles));
  return as_json(path, answer, f.config.quantiles);
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

/// A field of a table; empty where there is no score.
std::string score_text(double score) { return std::isnan(score) ? "" : fmt::format("{:.6g}", score); }

/// Writes table and picture of a file's surprises, called `name`; gives its line.
Json score_file(const TrainedForecaster& f, const CsvSeriesConfig& csv, const std::string& path,
                const std::string& name, const PredictOptions& options) {
  auto series = read_input(f, csv, path);
  const auto known = fill_holes(series, csv.holes, 0);
  const auto each = scores_of_known(surprise(f, series), known);
  const auto scores = each.nanmean(0);
  auto text = fmt::format("date,score{}\n", [&] {
    std::string names;
    for (const auto& column : series.columns) names += "," + csv_field(column);
    return names;
  }());
  PlotLine line{"score", {}, {214, 69, 65}};
  for (auto i = f.config.input; i < series.length(); ++i) {
    const auto score = scores[i].item<double>();
    text += series.date(i) + "," + score_text(score);
    for (int64_t c = 0; c < series.channels(); ++c) text += "," + score_text(each[c][i].item<double>());
    text += '\n';
    if (!std::isnan(score)) line.points.emplace_back(i, score);
  }
  write_file(options.out / (name + ".csv"), text);
  if (options.pictures && has_image_formats() && !line.points.empty())
    write_image(options.out / "pictures" / (name + ".png"),
                draw_plot({"squared error one step ahead",
                           {},
                           {line},
                           {{static_cast<double>(f.config.input), series.date(f.config.input)},
                            {static_cast<double>(series.length() - 1), series.date(series.length() - 1)}}}));
  Json json = {{"input", path}, {"anomalies", Json::array()}};
  const auto most = std::min(options.top, scores.isfinite().sum().item<int64_t>());
  if (most <= 0) return json;
  const auto rows = std::get<1>(scores.nan_to_num(-1).topk(most));
  for (int64_t k = 0; k < most; ++k) {
    const auto row = rows[k].item<int64_t>();
    const auto column = each.select(1, row).nan_to_num(-1).argmax().item<int64_t>();
    json["anomalies"].push_back({{"date", series.date(row)},
                                 {"score", scores[row].item<double>()},
                                 {"column", series.columns[static_cast<size_t>(column)]}});
  }
  return json;
}

}  // namespace

Tensor surprise(const TrainedForecaster& f, const Series& series) {
  const torch::NoGradGuard no_grad;
  f.model.eval();
  const auto input = f.config.input, horizon = f.config.horizon, length = series.length();
  const auto scaled = f.memory.scale.apply(series);
  const auto calendar = calendar_features(series, 0, length + horizon);
  auto out = torch::full({series.channels(), length}, NAN, torch::kFloat64);
  const auto at_middle = middle(f.config.quantiles);
  for (auto begin = input; begin < length; begin += f.batch) {
    const auto count = std::min(f.batch, length - begin);
    std::vector<Tensor> histories, dates;
    for (auto row = begin; row < begin + count; ++row) {
      histories.push_back(scaled.slice(1, row - input, row));
      dates.push_back(calendar.slice(1, row - input, row + horizon));
    }
    const auto y =
        rising_quantiles(f.model.forward(torch::stack(histories).to(f.device), torch::stack(dates).to(f.device)))
            .to(torch::kFloat64)
            .cpu();
    const auto next = y.select(3, 0).select(2, at_middle).t();  // (C, count)
    out.slice(1, begin, begin + count).copy_((next - scaled.slice(1, begin, begin + count)).square());
  }
  return out;
}

int64_t predict_series(const TrainedForecaster& forecaster, const PredictOptions& options,
                       const std::function<void(const std::string&)>& line) {
  torch::NoGradGuard no_grad;
  const auto csv = reading(forecaster.config, forecaster.memory);
  auto paths = options.inputs;
  if (options.limit > 0 && static_cast<int64_t>(paths.size()) > options.limit)
    paths.resize(static_cast<size_t>(options.limit));
  const bool anomalies = forecaster.config.anomalies;
  const auto names = output_names(options, anomalies ? "anomalies" : "forecast");
  Predictions predictions(options, line);
  for (size_t i = 0; i < paths.size(); ++i) try {
      predictions.add(anomalies ? score_file(forecaster, csv, paths[i], names[i], options)
                                : forecast(forecaster, csv, paths[i], names[i], options));
    } catch (const Error& error) {
      predictions.fail(paths[i], error.what());
    }
  return predictions.finish(paths.size(), anomalies ? "files could not be scored" : "files could not be forecast");
}

}  // namespace hadal
