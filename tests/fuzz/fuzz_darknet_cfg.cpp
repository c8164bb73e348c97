#include "hadal/models/detection/darknet_plan.h"

#include "tests/fuzz/fuzz.h"

namespace {
/// A text that reads must read the same when it is written again, and its plan must not change.
void read(std::string_view text) {
  const auto sections = hadal::read_darknet_cfg(text, "input");
  const auto floats = hadal::plan_darknet(sections).floats();
  const auto again = hadal::read_darknet_cfg(hadal::darknet_cfg_text(sections), "again");
  if (hadal::plan_darknet(again).floats() != floats) __builtin_trap();
  hadal::plan_darknet(hadal::with_classes(sections, 3));
}
}  // namespace

FUZZ(input, read({reinterpret_cast<const char*>(input.data()), input.size()}))
