#include "hadal/data/series/windows.h"

#include <algorithm>

#include "hadal/core/error.h"

namespace hadal {
namespace {

/// Steps [start, start + length) of every row of `from` (C, T), one window after the other: (B, C, length).
template <class T>
Tensor cut(const Tensor& from, std::span<const int64_t> starts, int64_t length) {
  const auto channels = from.size(0), total = from.size(1);
  auto out = torch::empty({static_cast<int64_t>(starts.size()), channels, length}, from.options());
  const auto* source = from.const_data_ptr<T>();
  auto* target = out.mutable_data_ptr<T>();
  for (const auto start : starts)
    for (int64_t c = 0; c < channels; ++c) target = std::copy_n(source + c * total + start, length, target);
  return out;
}

}  // namespace

SeriesWindows::SeriesWindows(Tensor scaled, Tensor known, Tensor calendar, std::pair<int64_t, int64_t> rows,
                             int64_t input, int64_t horizon, const std::string& split)
    : scaled_(std::move(scaled)),
      known_(std::move(known)),
      calendar_(std::move(calendar)),
      input_(input),
      horizon_(horizon) {
  first_ = std::max(rows.first, input);
  size_ = rows.second - horizon - first_ + 1;
  const auto count = rows.second - rows.first;
  if (size_ > 0) return;
  if (horizon > count)
    fail_usage("[forecast] the horizon of {} steps is longer than the {} split, which has {} rows", horizon, split,
               count);
  fail_usage("[forecast] the {} split has {} rows, too few for input={} and horizon={} together", split, count, input,
             horizon);
}

WindowBatch SeriesWindows::get(std::span<const int64_t> indices) const {
  std::vector<int64_t> starts, forecasts;
  for (const auto index : indices) {
    forecasts.push_back(first_ + index);
    starts.push_back(first_ + index - input_);
  }
  WindowBatch batch;
  batch.history = cut<float>(scaled_, starts, input_);
  batch.future = cut<float>(scaled_, forecasts, horizon_);
  if (known_.defined()) batch.known = cut<bool>(known_, forecasts, horizon_);
  if (calendar_.size(0) > 0) batch.calendar = cut<float>(calendar_, starts, input_ + horizon_);
  return batch;
}

}  // namespace hadal
