#include "hadal/core/stop.h"

namespace hadal {

std::atomic<bool>& stop_requested() {
  static std::atomic<bool> flag = false;
  return flag;
}

void throw_if_stopped() {
  if (stop_requested()) throw Stopped();
}

}  // namespace hadal
