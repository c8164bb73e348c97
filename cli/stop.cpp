#include "hadal/core/stop.h"

#include <csignal>

#include "cli/verb.h"

namespace hadal::cli {
namespace {

extern "C" void on_signal(int signal) {
  stop_requested() = true;
  std::signal(signal, SIG_DFL);
}

// Who reads what is printed has gone (a pipe into head): no reason to lose what was done so far.
extern "C" void on_closed_pipe(int) { stop_requested() = true; }

}  // namespace

void stop_on_signals() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::signal(SIGPIPE, on_closed_pipe);
}

}  // namespace hadal::cli
