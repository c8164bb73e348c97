// A wish to end, from a signal or a program: whoever works for long looks at it between two pieces of work.
#pragma once
#include <atomic>

namespace hadal {

/// Set from a signal handler: a training finishes its step and saves, predictions end behind the batch at hand.
std::atomic<bool>& stop_requested();

}  // namespace hadal
