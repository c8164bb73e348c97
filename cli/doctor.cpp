#include <fmt/format.h>

#include "hadal/core/device.h"
#include "hadal/core/machine.h"
#include "hadal/ops/linear.h"

#include "cli/verb.h"

namespace hadal::cli {
namespace {

std::string help(const Words&) {
  return "Versions, threads, CPU and GPU features, measured speeds of matrix products and memory, and a plain warning "
         "where\n"
         "one is far off what this machine should do.\n\n"
         "  device=auto      where to measure\n"
         "  threads=0        how many threads to measure with (0: every core this process may use)\n";
}

int run(Words words) {
  const auto device = pick_device(words.take("device", "auto"));
  set_threads(read_count("threads", words.take("threads", "0")));
  if (!words.plain.empty() || !words.settings.empty())
    fail_usage("doctor knows device= and threads=; what is \"{}\"?",
               words.plain.empty() ? words.settings[0].first : words.plain[0]);
  const auto machine = inspect_machine();
  const auto speeds =
      measure_speeds(device, [](const Tensor& x, const Tensor& weight) { return hadal::linear(x, weight, {}); });
  fmt::print("{}\nlinear  {}\n", describe(machine, speeds), linear_path());
  return 0;
}

}  // namespace

Verb doctor_verb() { return {"doctor", "doctor", "say what this machine and build can do", help, run}; }

}  // namespace hadal::cli
