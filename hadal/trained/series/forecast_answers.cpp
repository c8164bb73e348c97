#include "hadal/trained/series/forecast_answers.h"

#include <algorithm>
#include <cmath>

#include "hadal/io/csv.h"
#include "hadal/io/plot.h"

namespace hadal {
namespace {

using Json = nlohmann::ordered_json;

std::vector<double> numbers(const Tensor& row) {
  const auto flat = row.contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

/// A field of a table; empty where there is no score.
std::string score_text(double score) { return std::isnan(score) ? "" : fmt::format("{:.6g}", score); }

}  // namespace

int64_t middle_of(const std::vector<double>& quantiles) {
  return quantiles.empty() ? 0 : std::find(quantiles.begin(), quantiles.end(), 0.5) - quantiles.begin();
}

Json forecast_json(const std::string& name, const SeriesForecast& forecast, const std::vector<double>& quantiles) {
  const auto& series = forecast.series;
  Json json = {{"input", name}, {"columns", series.columns}, {"dates", Json::array()}, {"forecast", Json::object()}};
  for (int64_t h = 0; h < forecast.values.size(2); ++h) json["dates"].push_back(series.date(series.length() + h));
  const auto by_column = [&](int64_t q) {
    auto object = Json::object();
    for (int64_t c = 0; c < series.channels(); ++c)
      object[series.columns[static_cast<size_t>(c)]] = numbers(forecast.values[c][q]);
    return object;
  };
  json["forecast"] = by_column(middle_of(quantiles));
  for (size_t q = 0; q < quantiles.size(); ++q)
    json["quantiles"][fmt::format("{:g}", quantiles[q])] = by_column(static_cast<int64_t>(q));
  return json;
}

std::string forecast_csv(const SeriesForecast& forecast, const std::vector<double>& quantiles) {
  const auto& series = forecast.series;
  std::string text = "date";
  for (const auto& column : series.columns)
    for (size_t q = 0; q < std::max<size_t>(1, quantiles.size()); ++q)
      text += "," + csv_field(quantiles.empty() ? column : fmt::format("{} {:g}", column, quantiles[q]));
  text += '\n';
  for (int64_t h = 0; h < forecast.values.size(2); ++h) {
    text += series.date(series.length() + h);
    for (int64_t c = 0; c < series.channels(); ++c)
      for (int64_t q = 0; q < forecast.values.size(1); ++q)
        text += fmt::format(",{}", forecast.values[c][q][h].item<double>());
    text += '\n';
  }
  return text;
}

Tensor forecast_picture(const SeriesForecast& forecast, const std::vector<double>& quantiles) {
  const auto& series = forecast.series;
  const auto horizon = forecast.values.size(2), seen = std::min(series.length(), 2 * horizon);
  const auto at_middle = middle_of(quantiles);
  std::vector<Tensor> plots;
  for (int64_t c = 0; c < std::min<int64_t>(series.channels(), 8); ++c) {
    Plot plot{series.columns[static_cast<size_t>(c)], {}, {}, {}};
    PlotLine history{"history", {}, {70, 70, 70}}, ahead{"forecast", {}, {214, 69, 65}};
    const auto past = numbers(series.values[c].slice(0, series.length() - seen));
    for (int64_t i = 0; i < seen; ++i)  // holes before what the model sees are still there
      if (!std::isnan(past[static_cast<size_t>(i)]))
        history.points.emplace_back(i - seen, past[static_cast<size_t>(i)]);
    ahead.points.push_back(history.points.back());
    const auto future = numbers(forecast.values[c][at_middle]);
    for (int64_t h = 0; h < horizon; ++h) ahead.points.emplace_back(h, future[static_cast<size_t>(h)]);
    if (quantiles.size() > 1) {
      PlotBand band{fmt::format("{:g} to {:g}", quantiles.front(), quantiles.back()), {}, {}, {}, {236, 151, 31}};
      band.low = numbers(forecast.values[c][0]);
      band.high = numbers(forecast.values[c][-1]);
      for (int64_t h = 0; h < horizon; ++h) band.x.push_back(static_cast<double>(h));
      plot.bands.push_back(std::move(band));
    }
    plot.lines = {std::move(history), std::move(ahead)};
    for (const auto place : {-seen, int64_t{0}, horizon - 1})
      plot.marks.emplace_back(place, series.date(series.length() + place));
    plots.push_back(draw_plot(plot, 960, 260));
  }
  return torch::cat(plots, 0);
}

Json scores_json(const std::string& name, const SeriesScores& scores, int64_t top) {
  const auto mean = scores.each.nanmean(0);
  Json json = {{"input", name}, {"anomalies", Json::array()}};
  const auto most = std::min(top, mean.isfinite().sum().item<int64_t>());
  if (most <= 0) return json;
  const auto rows = std::get<1>(mean.nan_to_num(-1).topk(most));
  for (int64_t k = 0; k < most; ++k) {
    const auto row = rows[k].item<int64_t>();
    const auto column = scores.each.select(1, row).nan_to_num(-1).argmax().item<int64_t>();
    json["anomalies"].push_back({{"date", scores.series.date(row)},
                                 {"score", mean[row].item<double>()},
                                 {"column", scores.series.columns[static_cast<size_t>(column)]}});
  }
  return json;
}

std::string scores_csv(const SeriesScores& scores) {
  const auto mean = scores.each.nanmean(0);
  std::string text = "date,score";
  for (const auto& column : scores.series.columns) text += "," + csv_field(column);
  text += '\n';
  for (auto i = scores.first; i < scores.series.length(); ++i) {
    text += scores.series.date(i) + "," + score_text(mean[i].item<double>());
    for (int64_t c = 0; c < scores.series.channels(); ++c) text += "," + score_text(scores.each[c][i].item<double>());
    text += '\n';
  }
  return text;
}

Tensor scores_picture(const SeriesScores& scores) {
  const auto mean = scores.each.nanmean(0);
  PlotLine line{"score", {}, {214, 69, 65}};
  const auto last = scores.series.length() - 1;
  for (auto i = scores.first; i <= last; ++i)
    if (const auto score = mean[i].item<double>(); !std::isnan(score)) line.points.emplace_back(i, score);
  if (line.points.empty()) return {};
  return draw_plot({"squared error one step ahead",
                    {},
                    {line},
                    {{static_cast<double>(scores.first), scores.series.date(scores.first)},
                     {static_cast<double>(last), scores.series.date(last)}}});
}

}  // namespace hadal
