// Windows of a series: what is seen and what is to be forecast, one for every step at which a forecast can begin.
#pragma once
#include <span>
#include <tuple>

#include "hadal/data/series/sources.h"

namespace hadal {

struct WindowBatch {
  Tensor history;   // (B, C, L) float32, scaled
  Tensor future;    // (B, C, H)
  Tensor known;     // (B, C, H) bool, false where the future was missing; undefined where nothing was
  Tensor calendar;  // (B, F, L + H)
  auto tensors() { return std::tie(history, future, known, calendar); }
};

/// Forecasts begin at each row of [first, second) whose whole horizon lies in it; what they see may lie before it. None
/// is dropped. get() may be called from several threads.
class SeriesWindows {
 public:
  /// `scaled` (C, T) float32 and `known` (C, T) bool or undefined as in SplitSeries; calendar (F, T). All contiguous.
  /// Throws UsageError when no window fits.
  SeriesWindows(Tensor scaled, Tensor known, Tensor calendar, std::pair<int64_t, int64_t> rows, int64_t input,
                int64_t horizon, const std::string& split);

  int64_t size() const { return size_; }
  /// The row at which window `index` begins to forecast.
  int64_t row(int64_t index) const { return first_ + index; }
  WindowBatch get(std::span<const int64_t> indices) const;

 private:
  Tensor scaled_, known_, calendar_;
  int64_t first_, input_, horizon_, size_;
};

}  // namespace hadal
