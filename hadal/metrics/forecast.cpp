#include "hadal/metrics/forecast.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "hadal/core/error.h"

namespace hadal {

Tensor pinball(const Tensor& forecast, const Tensor& truth, const Tensor& quantiles) {
  const auto distance = truth.unsqueeze(-2) - forecast;
  const auto q = quantiles.to(forecast.options()).unsqueeze(-1);
  return torch::maximum(q * distance, (q - 1) * distance);
}

Tensor rising_quantiles(const Tensor& forecast) {
  return forecast.size(2) > 1 ? std::get<0>(forecast.sort(2)) : forecast;
}

Tensor naive_error(const Tensor& values, int64_t end, int64_t season, const Tensor& known) {
  auto past = values.slice(1, 0, end).to(torch::kFloat64);
  if (past.size(1) <= season) return torch::full({values.size(0)}, NAN, torch::kFloat64);
  if (known.defined()) past = past.masked_fill(known.slice(1, 0, end).logical_not(), NAN);
  return (past.slice(1, season) - past.slice(1, 0, past.size(1) - season)).abs().nanmean(1);
}

ForecastScore::ForecastScore(Tensor scale, std::vector<double> quantiles) : scale_(std::move(scale)) {
  if (quantiles.empty()) return;
  const auto nearest = std::min_element(quantiles.begin(), quantiles.end(),
                                        [](double a, double b) { return std::abs(a - 0.5) < std::abs(b - 0.5); });
  middle_ = nearest - quantiles.begin();
  quantile_values_ = torch::tensor(quantiles, torch::kFloat64);
}

void ForecastScore::add(const Tensor& forecast, const Tensor& truth, const Tensor& known) {
  if (forecast.dim() != 4 || truth.dim() != 3 || forecast.select(2, 0).sizes() != truth.sizes())
    fail("[forecast score] a forecast ({}) does not fit its truth ({})", fmt::join(forecast.sizes(), ", "),
         fmt::join(truth.sizes(), ", "));
  const auto weight = (known.defined() ? known : torch::ones_like(truth, torch::kBool)).to(torch::kFloat64).cpu();
  const auto target = truth.to(torch::kFloat64).cpu(), all = forecast.to(torch::kFloat64).cpu();
  const auto error = (all.select(2, middle_) - target) * weight;  // (B, C, H)
  // By name: LibTorch 2.6 could take a plain {0, 1} for names of dimensions.
  constexpr std::array<int64_t, 2> rows = {0, 1}, ahead = {0, 2};
  const auto squared = error.square(), by_step = squared.sum(rows), steps = weight.sum(rows);
  const auto absolute = error.abs().sum(ahead), counts = weight.sum(ahead);
  const auto add_to = [](Tensor& sum, const Tensor& more) { sum = sum.defined() ? sum + more : more; };
  add_to(by_step_, by_step);
  add_to(steps_, steps);
  add_to(absolute_, absolute);
  add_to(counts_, counts);
  squared_ += squared.sum().item<double>();
  count_ += weight.sum().item<double>();
  if (!quantile_values_.defined()) return;
  pinball_ += (pinball(all, target, quantile_values_) * weight.unsqueeze(2)).mean(2).sum().item<double>();
  const auto low = all.amin(2), high = all.amax(2);
  inside_ += (((target >= low) & (target <= high)).to(torch::kFloat64) * weight).sum().item<double>();
}

Metrics ForecastScore::metrics() const {
  if (count_ == 0) return {};
  Metrics out = {{"mse", squared_ / count_}, {"mae", absolute_.sum().item<double>() / count_}};
  if (scale_.defined()) {
    const auto scaled = absolute_ / counts_ / scale_.to(torch::kFloat64).cpu();
    const auto moving = scaled.masked_select(scaled.isfinite());
    if (moving.numel() > 0) out.emplace_back("mase", moving.mean().item<double>());
  }
  if (quantile_values_.defined()) {
    out.emplace_back("quantile_loss", 2 * pinball_ / count_);
    if (quantile_values_.numel() > 1) out.emplace_back("coverage", inside_ / count_);
  }
  return out;
}

}  // namespace hadal
