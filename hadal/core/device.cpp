#include "hadal/core/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "hadal/core/error.h"

namespace hadal {

torch::Device pick_device(const std::string& name) {
  const bool has_cuda = at::globalContext().hasCUDA();
  if (name == "auto") return has_cuda ? torch::Device(torch::kCUDA, 0) : torch::Device(torch::kCPU);
  if (name == "cpu") return torch::kCPU;
  if (name.starts_with("cuda")) {
    require(has_cuda, "device={}: this LibTorch finds no CUDA GPU; use device=cpu", name);
    try {
      return torch::Device(name == "cuda" ? "cuda:0" : name);
    } catch (const c10::Error&) {
      fail_usage("device={} is not a device; use cpu, cuda or cuda:0", name);
    }
  }
  fail_usage("device={} is not known; use auto, cpu, cuda or cuda:0", name);
}

int64_t allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int64_t cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  // "200000 100000" in cpu.max: two cores' worth of time in each period.
  std::ifstream quota("/sys/fs/cgroup/cpu.max");
  double most = 0, period = 0;
  if (quota >> most >> period && period > 0) cores = std::min(cores, std::max<int64_t>(1, std::llround(most / period)));
  return cores;
}

void set_threads(int64_t count) { at::set_num_threads(static_cast<int>(count > 0 ? count : allowed_cores())); }

}  // namespace hadal
