#pragma once

#include <chrono>

namespace hadal {

/// Seconds since some moment that stays the same while the program runs.
inline double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace hadal
