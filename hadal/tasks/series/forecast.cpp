#include "hadal/tasks/series/forecast.h"

#include <algorithm>
#include <optional>

#include "hadal/core/format.h"
#include "hadal/data/series/windows.h"
#include "hadal/metrics/forecast.h"

namespace hadal {
namespace {

std::vector<double> numbers(const Tensor& column) {
  const auto flat = column.contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

class Forecast : public Task {
 public:
  Forecast(const ForecastConfig& config, const TaskContext& context) : config_(config), context_(context) {
    open_data();
    made_ = std::make_unique<TrainedForecaster>(config_, memory_.table(), context_);
    static_cast<ForecasterConfig&>(config_) = made_->config();
    if (!learned_columns_.empty() && !made_->model().each_channel_alone())
      fail("[forecast] this {} learned the columns {} together and takes files with all of them; got {}",
           config_.model.name, fmt::join(learned_columns_, ", "), fmt::join(memory_.columns, ", "));
    if (!config_.quantiles.empty()) quantiles_ = torch::tensor(config_.quantiles, torch::kFloat32).to(context_.device);
  }

  nn::Module& model() override { return made_->model(); }
  Table settings() const override { return write_config(config_); }
  Table learned() const override { return memory_.table(); }

  Batches& batches() override { return *batches_; }
  Losses losses(const Step&) override {
    const auto& batch = batches_->current();
    return {loss_of(forecast(batch), batch), {}};
  }

  std::vector<std::string> splits() const override {
    std::vector<std::string> there = {"train"};
    for (const auto* split : {"val", "test"})
      if (const auto [first, second] = data_.rows(split); second > first) there.emplace_back(split);
    return there;
  }
  std::string goal() const override { return config_.quantiles.empty() ? "mse" : "quantile_loss"; }
  Metrics evaluate(const std::string& split, int64_t limit) override;
  std::vector<Score> scores() const override {
    std::vector<Score> all = {{"mse", false}, {"mae", false}};
    if ((naive_.isfinite() & (naive_ > 0)).any().item<bool>()) all.push_back({"mase", false});
    if (!config_.quantiles.empty()) all.push_back({"quantile_loss", false});
    if (config_.quantiles.size() > 1) all.push_back({"coverage", true});
    return all;
  }
  std::vector<Figure> figures() override;
  std::string summary() const override;

 private:
  void open_data() {
    std::optional<SeriesLearned> remembered;
    if (!context_.learns && context_.learned.find("series")) remembered = SeriesLearned::from(context_.learned);
    if (remembered) {
      check_forecast(*remembered, config_.input, config_.horizon, config_.quantiles);
      config_.data = as_remembered(config_.data, *remembered);
    }
    data_ = series_sources().make(config_.data);
    config_.data = series_sources().resolve(config_.data);
    const auto& series = data_.series;
    if (remembered && config_.data.name == "csv") {
      CsvSeriesConfig csv;
      read_config(csv, config_.data.settings, "data");
      check_step(*remembered, series, csv.even, csv.path);
    }
    const auto scale = Scale::of(series.values, data_.borders[0]);
    memory_ = {.columns = series.columns,
               .mean = numbers(scale.mean),
               .deviation = numbers(scale.deviation),
               .day_first = series.day_first,
               .step = series.step.text(),
               .zone = series.zone,
               .input = config_.input,
               .horizon = config_.horizon,
               .quantiles = config_.quantiles};
    if (remembered) take_learned(*remembered);
    scaled_ = memory_.scale().apply(series);
    calendar_ = calendar_features(series, 0, series.length());
    const auto season = config_.season > 0 ? config_.season : usual_season(series.step);
    naive_ = naive_error(scaled_, data_.borders[0], season, data_.known);
    if (!context_.learns) return;
    const auto windows = std::make_shared<SeriesWindows>(windows_of("train"));
    for (const auto* split : {"val", "test"})  // one that is too short is refused now, not after the training
      if (has_split(split)) {
        windows_of(split);
        const auto [first, last] = data_.rows(split);
        if (data_.known.defined() && !data_.known.slice(1, first, last).any().item<bool>())
          fail("[forecast] no row of the {} split has a value: every one was filled", split);
      }
    train_windows_ = windows->size();
    batches_.emplace(shuffled(windows->size(), context_.batch, context_.seed), context_.workers, context_.device,
                     [windows](const BatchPlan& plan) { return windows->get(plan.indices); });
  }

  /// A model is judged by the numbers that it learned, whatever the file's own mean and deviation are.
  void take_learned(const SeriesLearned& learned) {
    if (learned.columns != memory_.columns) learned_columns_ = learned.columns;
    for (size_t i = 0; i < memory_.columns.size(); ++i) {
      const auto found = std::find(learned.columns.begin(), learned.columns.end(), memory_.columns[i]);
      if (found == learned.columns.end()) {
        own_scale_.push_back(memory_.columns[i]);
        continue;
      }
      const auto from = static_cast<size_t>(found - learned.columns.begin());
      memory_.mean[i] = learned.mean[from];
      memory_.deviation[i] = learned.deviation[from];
    }
  }

  SeriesWindows windows_of(const std::string& split) const {
    return {scaled_, data_.known, calendar_, data_.rows(split), config_.input, config_.horizon, split};
  }

  Tensor forecast(const WindowBatch& batch) {
    return made_->model().forward(batch.history, batch.calendar).to(torch::kFloat32);
  }

  /// What is scored and shown.
  Tensor answer(const WindowBatch& batch) { return rising_quantiles(forecast(batch)); }

  /// Values that were missing teach nothing.
  Tensor loss_of(const Tensor& forecast, const WindowBatch& batch) const {
    if (config_.quantiles.empty() && !batch.known.defined()) {
      const auto point = forecast.squeeze(2);
      if (config_.loss == "mse") return torch::mse_loss(point, batch.future);
      if (config_.loss == "mae") return torch::l1_loss(point, batch.future);
      return torch::huber_loss(point, batch.future);
    }
    Tensor each;  // (B, C, H)
    if (!config_.quantiles.empty())
      each = pinball(forecast, batch.future, quantiles_).mean(2);
    else if (config_.loss == "mse")
      each = torch::mse_loss(forecast.squeeze(2), batch.future, at::Reduction::None);
    else if (config_.loss == "mae")
      each = torch::l1_loss(forecast.squeeze(2), batch.future, at::Reduction::None);
    else
      each = torch::huber_loss(forecast.squeeze(2), batch.future, at::Reduction::None);
    if (!batch.known.defined()) return each.mean();
    return (each * batch.known).sum() / batch.known.sum().clamp_min(1);
  }

  ForecastConfig config_;
  TaskContext context_;
  SplitSeries data_;
  SeriesLearned memory_;
  Tensor scaled_, calendar_, naive_, quantiles_;
  std::vector<std::string> learned_columns_;  // where the data's are not the same
  std::vector<std::string> own_scale_;        // of the data's those that were not learned
  int64_t train_windows_ = 0;
  std::unique_ptr<TrainedForecaster> made_;
  std::string judged_;  // the split of the last evaluation
  Tensor by_step_;      // its mean squared error a step ahead
  std::optional<LoadedBatches<WindowBatch>> batches_;
};

Metrics Forecast::evaluate(const std::string& split, int64_t limit) {
  const Using guard(model(), context_);
  const auto windows = windows_of(split);
  const auto indices = scored_samples(windows.size(), limit, context_.batch).order(0);
  const auto size = std::ssize(indices);
  ForecastScore score(naive_, config_.quantiles);
  for (int64_t begin = 0; begin < size; begin += context_.batch) {
    throw_if_stopped();
    const auto count = std::min(context_.batch, size - begin);
    const auto batch = moved(windows.get({indices.data() + begin, static_cast<size_t>(count)}), context_.device);
    score.add(answer(batch), batch.future, batch.known);
  }
  judged_ = split;
  by_step_ = score.mse_by_step();
  return score.metrics();
}

std::vector<Figure> Forecast::figures() {
  if (judged_.empty()) return {};
  const Using guard(model(), context_);
  const auto windows = windows_of(judged_);
  std::vector<Figure> out;
  const std::vector<int64_t> shown = {0, windows.size() / 2, windows.size() - 1};
  const auto batch = moved(windows.get(shown), context_.device);
  const auto forecasts = answer(batch).cpu();
  const auto channel = data_.series.channels() - 1;
  const auto seen = std::min(config_.input, 2 * config_.horizon);
  for (size_t i = 0; i < shown.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const auto undo = [&](const Tensor& row) {
      return memory_.scale().undo(row.cpu().expand({data_.series.channels(), -1}))[channel].contiguous();
    };
    CurveFigure figure{fmt::format("{} from {}, {} split", data_.series.columns.back(),
                                   data_.series.date(windows.row(shown[i])), judged_),
                       fmt::format("steps of {}", data_.series.step.text()),
                       data_.series.columns.back(),
                       {}};
    const auto add = [&](const std::string& name, const Tensor& row, int64_t from) {
      const auto values = undo(row);
      CurveFigure::Series curve{name, {}};
      for (int64_t k = 0; k < values.size(0); ++k)
        curve.points.emplace_back(static_cast<double>(from + k), values[k].item<double>());
      figure.series.push_back(std::move(curve));
    };
    add("history", batch.history[at][channel].slice(0, config_.input - seen), -seen);
    add("truth", batch.future[at][channel], 0);
    if (config_.quantiles.empty()) add("forecast", forecasts[at][channel][0], 0);
    for (size_t q = 0; q < config_.quantiles.size(); ++q)
      add(fmt::format("quantile {:g}", config_.quantiles[q]), forecasts[at][channel][static_cast<int64_t>(q)], 0);
    out.emplace_back(std::move(figure));
  }
  CurveFigure steps{"Error by how far ahead", "steps ahead", "mean squared error (scaled)", {{"mse", {}}}};
  for (int64_t h = 0; h < by_step_.size(0); ++h)
    steps.series[0].points.emplace_back(static_cast<double>(h + 1), by_step_[h].item<double>());
  out.emplace_back(std::move(steps));
  return out;
}

std::string Forecast::summary() const {
  auto text = made_->summary();
  if (train_windows_ > 0)
    text += fmt::format("; rows of {}, {} training windows", data_.series.step.text(), format_count(train_windows_));
  if (const auto merged = data_.series.merged; merged > 0)
    text +=
        fmt::format("; {} row{} had another's date: they are its mean", format_count(merged), merged == 1 ? "" : "s");
  std::vector<std::string> missing;
  for (const auto& column : learned_columns_)
    if (std::find(memory_.columns.begin(), memory_.columns.end(), column) == memory_.columns.end())
      missing.push_back(column);
  if (!missing.empty())
    text += fmt::format("; of the columns that it learned, {} {} not here", fmt::join(missing, ", "),
                        missing.size() == 1 ? "is" : "are");
  if (!own_scale_.empty())
    text += fmt::format("; it learned other columns ({}): {} {} scaled by {} own mean and deviation",
                        fmt::join(learned_columns_, ", "), fmt::join(own_scale_, ", "),
                        own_scale_.size() == 1 ? "is" : "are", own_scale_.size() == 1 ? "its" : "their");
  return text;
}

}  // namespace

int64_t usual_season(const TimeStep& step) {
  if (step.months > 0) return std::max<int64_t>(1, 12 / step.months);
  if (step.micros < kDay) return std::max<int64_t>(1, kDay / step.micros);
  if (step.skips_weekend) return 5;
  if (step.micros == kDay) return 7;
  return step.micros == 7 * kDay ? 52 : 1;
}

Fields<ForecastConfig> ForecastConfig::fields() {
  using C = ForecastConfig;
  return {ForecasterConfig::fields(),
          {{"loss", &C::loss, "what training lowers (with quantiles: their own)", one_of({"mse", "mae", "huber"})},
           {"season", &C::season, "steps of a season, for MASE (0: by the step: 24 for hours, 7 for days, ...)",
            at_least(0)}}};
}

void register_forecast(TaskCatalog& catalog) {
  catalog.add("forecast", "forecasting of series", ForecastConfig{},
              [](const ForecastConfig& config, const TaskContext& context) {
                return std::make_unique<Forecast>(config, context);
              });
}

}  // namespace hadal
