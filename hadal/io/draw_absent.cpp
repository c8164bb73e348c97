#include "hadal/core/error.h"
#include "hadal/io/draw.h"

namespace hadal {
namespace {

[[noreturn]] void absent() {
  fail("this build of Hadal draws no pictures (HADAL_CORE_ONLY); build it with OpenCV's imgproc");
}

}  // namespace

Colour class_colour(int64_t) { absent(); }
void draw_boxes(Tensor&, std::span<const BoxDrawing>) { absent(); }
Tensor with_caption(const Tensor&, const std::string&, Colour, int64_t) { absent(); }
Tensor picture_grid(const std::vector<GridCell>&, int64_t, int64_t) { absent(); }

}  // namespace hadal
