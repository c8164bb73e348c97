#include <cmath>

#include "hadal/data/vision/scenes/readers.h"

#include "tests/fuzz/fuzz.h"

namespace {
/// The first byte chooses boxes and polygons, or keypoints.
void read(std::string_view text) {
  hadal::YoloSettings settings;
  settings.names = {"a", "b", "c"};
  if (!text.empty() && text[0] == 'k') settings.keypoints = 2, text.remove_prefix(1);
  hadal::FaultLog log;
  for (const auto& object : hadal::parse_yolo_labels(text, "input", settings, log)) {
    if (object.label < 0 || object.label > 2) __builtin_trap();
    for (const auto side : object.box)
      if (!std::isfinite(side)) __builtin_trap();
  }
}
}  // namespace

FUZZ(input, read({reinterpret_cast<const char*>(input.data()), input.size()}))
