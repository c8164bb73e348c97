#include "hadal/core/stop.h"

namespace hadal {

std::atomic<bool>& stop_requested() {
  static std::atomic<bool> flag = false;
  return flag;
}

}  // namespace hadal
