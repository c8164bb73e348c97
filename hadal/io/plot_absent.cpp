#include "hadal/core/error.h"
#include "hadal/io/plot.h"

namespace hadal {

Tensor draw_plot(const Plot&, int64_t, int64_t) {
  fail("this build of Hadal draws no pictures (HADAL_CORE_ONLY); build it with OpenCV's imgproc");
}

}  // namespace hadal
