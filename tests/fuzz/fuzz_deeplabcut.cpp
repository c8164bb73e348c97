#include <cmath>

#include "hadal/data/vision/scenes/readers.h"

#include "tests/fuzz/fuzz.h"

namespace {
void read(std::string_view text) {
  const hadal::SceneAbout about{.keypoints = {"snout", "leftear", "rightear"}};
  hadal::FaultLog log;
  for (const auto& record : hadal::parse_deeplabcut(text, "input", about, log))
    for (const auto& object : record.objects)
      if (object.keypoints.size() != 9 || !std::isfinite(object.box[2] - object.box[0])) __builtin_trap();
}
}  // namespace

FUZZ(input, read({reinterpret_cast<const char*>(input.data()), input.size()}))
