#include "hadal/tasks/forecast_predict.h"

#include <algorithm>
#include <fstream>

#include <nlohmann/json.hpp>

#include "hadal/io/csv.h"
#include "hadal/io/file.h"
#include "hadal/io/image.h"
#include "hadal/io/plot.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

Tensor column_tensor(const nlohmann::json& numbers) {
  return torch::tensor(numbers.get<std::vector<double>>(), torch::kFloat64).unsqueeze(1);
}

/// How the file that the model was trained on is read: the same settings serve for others of its kind.
CsvSeriesConfig reading(const ForecastConfig& config, const SeriesMemory& memory, const std::string& path) {
  CsvSeriesConfig csv;
  if (config.data.name == "csv") read_config(csv, config.data.settings, "data");
  csv.path = path;
  csv.columns = memory.columns;
  return csv;
}

struct Answer {
  Series series;
  Tensor values;  // (C, Q, H) float64, in the file's own numbers
};

std::vector<double> numbers(const Tensor& row) {
  const auto flat = row.contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

/// The quantile nearest to one half; 0 for points.
int64_t middle(const std::vector<double>& quantiles) {
  const auto far = [](double q) { return std::abs(q - 0.5); };
  const auto nearest =
      std::min_element(quantiles.begin(), quantiles.end(), [&](double a, double b) { return far(a) < far(b); });
  return nearest == quantiles.end() ? 0 : nearest - quantiles.begin();
}

Json as_json(const std::string& path, const Answer& answer, const std::vector<double>& quantiles) {
  const auto& series = answer.series;
  Json json = {{"input", path}, {"columns", series.columns}, {"dates", Json::array()}, {"forecast", Json::object()}};
  for (int64_t h = 0; h < answer.values.size(2); ++h)
    json["dates"].push_back(format_date(series.time(series.length() + h)));
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
    text += format_date(series.time(series.length() + h));
    for (int64_t c = 0; c < series.channels(); ++c)
      for (int64_t q = 0; q < answer.values.size(1); ++q)
        text += fmt::format(",{:.8g}", answer.values[c][q][h].item<double>());
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
    for (int64_t i = 0; i < seen; ++i) history.points.emplace_back(i - seen, past[static_cast<size_t>(i)]);
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
      plot.marks.emplace_back(place, format_date(series.time(series.length() + place)));
    plots.push_back(draw_plot(plot, 960, 260));
  }
  return torch::cat(plots, 0);
}

Series read_input(const TrainedForecaster& f, const std::string& path) {
  const auto csv = reading(f.config, f.memory, path);
  auto series = read_series(path, {csv.date, csv.columns, csv.day_first, csv.even});
  if (series.length() < f.config.input)
    fail("{} has {} rows; the model sees {} before it forecasts", path, series.length(), f.config.input);
  fill_holes(series, csv.holes, {});
  return series;
}

Answer forecast_file(const TrainedForecaster& f, const std::string& path) {
  Answer answer{read_input(f, path), {}};
  const auto& series = answer.series;
  const auto input = f.config.input, from = series.length() - input;
  const auto history = f.memory.scale.apply(series.values.slice(1, from)).unsqueeze(0).contiguous();
  const auto calendar = calendar_features(series, from, input + f.config.horizon).unsqueeze(0);
  const auto scaled = f.model.forward(history.to(f.device), calendar.to(f.device)).to(torch::kFloat32).cpu()[0];
  const Scale scale{f.memory.scale.mean.unsqueeze(1), f.memory.scale.deviation.unsqueeze(1)};
  answer.values = scale.undo(scaled);
  return answer;
}

/// Writes table and picture of a forecast; gives its line.
Json forecast(const TrainedForecaster& f, const std::string& path, const PredictOptions& options) {
  const auto answer = forecast_file(f, path);
  const auto stem = fs::path(path).stem().string();
  write_file(options.out / (stem + ".csv"), as_csv(answer, f.config.quantiles));
  if (options.pictures && has_image_formats())
    write_image(options.out / "pictures" / (stem + ".png"), as_picture(answer, f.config.quantiles));
  return as_json(path, answer, f.config.quantiles);
}

/// Writes table and picture of a file's surprises; gives its line.
Json score_file(const TrainedForecaster& f, const std::string& path, const PredictOptions& options) {
  const auto series = read_input(f, path);
  const auto each = surprise(f, series);
  const auto scores = each.mean(0);
  auto text = fmt::format("date,score{}\n", [&] {
    std::string names;
    for (const auto& column : series.columns) names += "," + csv_field(column);
    return names;
  }());
  PlotLine line{"score", {}, {214, 69, 65}};
  for (auto i = f.config.input; i < series.length(); ++i) {
    text += fmt::format("{},{:.6g}", format_date(series.time(i)), scores[i].item<double>());
    for (int64_t c = 0; c < series.channels(); ++c) text += fmt::format(",{:.6g}", each[c][i].item<double>());
    text += '\n';
    line.points.emplace_back(i, scores[i].item<double>());
  }
  const auto stem = fs::path(path).stem().string();
  write_file(options.out / (stem + ".csv"), text);
  if (options.pictures && has_image_formats() && !line.points.empty())
    write_image(
        options.out / "pictures" / (stem + ".png"),
        draw_plot({"squared error one step ahead",
                   {},
                   {line},
                   {{static_cast<double>(f.config.input), format_date(series.time(f.config.input))},
                    {static_cast<double>(series.length() - 1), format_date(series.time(series.length() - 1))}}}));
  Json json = {{"input", path}, {"anomalies", Json::array()}};
  const auto most = std::min(options.top, series.length() - f.config.input);
  if (most <= 0) return json;
  const auto rows = std::get<1>(scores.slice(0, f.config.input).topk(most)) + f.config.input;
  for (int64_t k = 0; k < most; ++k) {
    const auto row = rows[k].item<int64_t>();
    const auto column = each.select(1, row).argmax().item<int64_t>();
    json["anomalies"].push_back({{"date", format_date(series.time(row))},
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
  const auto scaled = f.memory.scale.apply(series.values).contiguous();
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
    const auto y = f.model.forward(torch::stack(histories).to(f.device), torch::stack(dates).to(f.device))
                       .to(torch::kFloat64)
                       .cpu();
    const auto next = y.select(3, 0).select(2, at_middle).t();  // (C, count)
    out.slice(1, begin, begin + count).copy_((next - scaled.slice(1, begin, begin + count)).square());
  }
  return out;
}

std::map<std::string, std::string> SeriesMemory::metadata() const {
  const nlohmann::json json = {
      {"columns", columns}, {"mean", numbers(scale.mean)}, {"deviation", numbers(scale.deviation)}};
  return {{"series", json.dump()}};
}

SeriesMemory SeriesMemory::from(const std::map<std::string, std::string>& metadata) {
  const auto found = metadata.find("series");
  if (found == metadata.end())
    fail(
        "the weights do not say which columns they forecast and how these were scaled; take a run folder, or the "
        "weights that Hadal saved in one");
  try {
    const auto json = nlohmann::json::parse(found->second);
    SeriesMemory memory{json.at("columns").get<std::vector<std::string>>(),
                        {column_tensor(json.at("mean")), column_tensor(json.at("deviation"))}};
    const auto count = static_cast<int64_t>(memory.columns.size());
    if (count == 0 || memory.scale.mean.size(0) != count || memory.scale.deviation.size(0) != count)
      fail("the weights' series has {} columns, {} means and {} deviations", count, memory.scale.mean.size(0),
           memory.scale.deviation.size(0));
    return memory;
  } catch (const nlohmann::json::exception& error) {
    fail("the weights' \"series\" is damaged: {}", error.what());
  }
}

int64_t predict_series(const TrainedForecaster& forecaster, const PredictOptions& options,
                       const std::function<void(const std::string&)>& line) {
  torch::NoGradGuard no_grad;
  auto paths = options.inputs;
  if (options.limit > 0 && static_cast<int64_t>(paths.size()) > options.limit)
    paths.resize(static_cast<size_t>(options.limit));
  int64_t done = 0;
  std::string first_error, lines;
  for (const auto& path : paths) {
    Json json;
    try {
      json = forecaster.config.anomalies ? score_file(forecaster, path, options) : forecast(forecaster, path, options);
      ++done;
    } catch (const Error& error) {
      if (first_error.empty()) first_error = error.what();
      json = {{"input", path}, {"error", error.what()}};
    }
    const auto text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    lines += text + '\n';
    line(text);
  }
  write_file(options.out / "predictions.jsonl", lines);
  if (!first_error.empty() && paths.size() == 1) throw Error(first_error);
  if (!first_error.empty())
    fail("{} of {} files could not be forecast, the first: {}; the others are in {}",
         static_cast<int64_t>(paths.size()) - done, paths.size(), first_error,
         (options.out / "predictions.jsonl").string());
  return done;
}

}  // namespace hadal
