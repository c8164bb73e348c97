// Learning-rate schedules, each a formula of the step: resuming and plotting need no history.
#pragma once
#include <functional>

#include "hadal/core/catalog.h"
#include "hadal/optim/optimizer.h"

namespace hadal {

/// The rates of step 0, 1, ..., total - 1.
using Schedule = std::function<Rates(int64_t step)>;

/// How long the run is.
struct RunLength {
  int64_t steps = 0, steps_per_epoch = 0;
};

using ScheduleCatalog = Catalog<Schedule, const RunLength&>;
const ScheduleCatalog& schedules();

}  // namespace hadal
