// A wish to end, from a signal or a program: whoever works for long looks at it between two pieces of work.
#pragma once
#include <atomic>
#include <exception>

namespace hadal {

/// Set from a signal handler: a training finishes its step and saves, predictions end behind the batch at hand.
std::atomic<bool>& stop_requested();

/// How an evaluation and what draws pictures end before their time: what they would have given is not there.
struct Stopped : std::exception {
  const char* what() const noexcept override { return "stopped"; }
};
/// Throws Stopped where a stop is requested.
void throw_if_stopped();

}  // namespace hadal
