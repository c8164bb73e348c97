// How far forecasts are from what came, summed over every window, channel and step alike.
#pragma once
#include <vector>

#include "hadal/core/torch.h"
#include "hadal/metrics/metrics.h"

namespace hadal {

/// Pinball loss of each element: (q - 1) d below and q d above, d = truth - forecast (Koenker & Bassett 1978).
/// forecast (..., Q, H), truth (..., H), quantiles (Q) -> (..., Q, H).
Tensor pinball(const Tensor& forecast, const Tensor& truth, const Tensor& quantiles);

/// The quantiles of each value in rising order, so that bands do not cross (Chernozhukov et al. 2010, "Quantile and
/// Probability Curves Without Crossing"). forecast (B, C, Q, H).
Tensor rising_quantiles(const Tensor& forecast);

/// Mean absolute error of forecasting each step of `values` (C, T) by the one `season` steps before, within the first
/// `end` steps: what MASE divides by (Hyndman & Koehler 2006). `known` (C, T) bool or undefined: false where a value
/// was filled, which counts neither as forecast nor as truth. (C) float64; NaN where there is no such step.
Tensor naive_error(const Tensor& values, int64_t end, int64_t season, const Tensor& known = {});

/// Sums a whole split up, batch by batch.
class ForecastScore {
 public:
  /// `scale` (C) is naive_error(); `quantiles` are empty for point forecasts. The point of a quantile forecast is the
  /// quantile nearest to one half.
  ForecastScore(Tensor scale, std::vector<double> quantiles);

  /// forecast (B, C, Q, H), truth (B, C, H), known (B, C, H) bool or undefined: false where there was no truth, which
  /// counts for nothing.
  void add(const Tensor& forecast, const Tensor& truth, const Tensor& known = {});

  /// "mse", "mae", "mase" (mean over channels that move), and with quantiles "quantile_loss" (mean of twice the pinball
  /// loss, so that the median's is mae) and "coverage" (share of truths between the outermost two, where there are
  /// two). Empty before the first batch.
  Metrics metrics() const;
  /// Mean squared error a step ahead, (H) float64.
  Tensor mse_by_step() const { return by_step_ / steps_; }

 private:
  Tensor scale_, quantile_values_;
  int64_t middle_ = 0;
  double count_ = 0, squared_ = 0, pinball_ = 0, inside_ = 0;
  Tensor absolute_, counts_;  // (C) float64
  Tensor by_step_, steps_;    // (H) float64
};

}  // namespace hadal
