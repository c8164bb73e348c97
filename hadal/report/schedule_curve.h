// A schedule to look at before and after a run: curves for the report, characters for a terminal.
#pragma once
#include <string>
#include <vector>

#include "hadal/optim/schedule.h"
#include "hadal/tasks/figure.h"

namespace hadal {

/// The learning rate over the steps of a run, and the momentum where the schedule moves it. Empty for a schedule that
/// depends on scores.
std::vector<CurveFigure> schedule_curves(const Schedule& schedule, double lr, int64_t steps);

/// A curve of `width` columns and `rows` lines, the highest and the lowest value beside it:
///   0.003 │ ▃▇▇▅▃▂
///       0 │▆██████▇▅▃▁
std::string text_curve(const CurveFigure& curve, size_t width, size_t rows, bool unicode);

}  // namespace hadal
