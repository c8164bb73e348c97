#include <csignal>

#include "hadal/train/trainer.h"

#include "cli/verb.h"

namespace hadal::cli {
namespace {

extern "C" void on_signal(int signal) {
  stop_requested() = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void stop_on_signals() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

}  // namespace hadal::cli
