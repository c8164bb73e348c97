#include "hadal/core/device.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <sched.h>
#include <torch/cuda.h>
#include <torch/version.h>
#include <unistd.h>

#include "hadal/core/error.h"
#include "hadal/core/machine.h"

namespace hadal {
namespace {

std::vector<int> allowed_processors() {
  // The kernel refuses a mask smaller than its own; machines with more than 1024 processors need a larger one.
  for (size_t most = 1024; most <= size_t{1} << 20; most *= 4) {
    auto* mask = CPU_ALLOC(most);
    const auto size = CPU_ALLOC_SIZE(most);
    std::vector<int> out;
    const bool read = ::sched_getaffinity(0, size, mask) == 0;
    for (size_t i = 0; read && i < most; ++i)
      if (CPU_ISSET_S(i, size, mask)) out.push_back(static_cast<int>(i));
    CPU_FREE(mask);
    if (read) return out;
  }
  return {};
}

torch::Device cuda_device(const std::string& name, std::string_view number) {
  if (!at::globalContext().hasCUDART())
    fail_usage(
        "device={}: this LibTorch ({}) is built without CUDA; use device=cpu, or build against a LibTorch with CUDA "
        "(CMAKE_PREFIX_PATH)",
        name, TORCH_VERSION);
  const auto count = static_cast<int64_t>(torch::cuda::device_count());
  require(count > 0, "device={}: no GPU is visible; look at nvidia-smi and CUDA_VISIBLE_DEVICES, or use device=cpu",
          name);
  int64_t index = 0;
  const auto* end = number.data() + number.size();
  const auto [stop, problem] = std::from_chars(number.data(), end, index);
  require(problem == std::errc() && stop == end && index >= 0 && index < count,
          "device={}: there {} {} GPU{} here; use cuda:0{}", name, count == 1 ? "is" : "are", count,
          count == 1 ? "" : "s", count == 1 ? "" : fmt::format(" to cuda:{}", count - 1));
  return {torch::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

}  // namespace

torch::Device pick_device(const std::string& name) {
  if (name == "cpu") return torch::kCPU;
  if (name == "auto") return torch::cuda::is_available() ? torch::Device(torch::kCUDA, 0) : torch::Device(torch::kCPU);
  if (name == "cuda") return cuda_device(name, "0");
  if (name.starts_with("cuda:")) return cuda_device(name, std::string_view(name).substr(5));
  fail_usage("device={}: no such device{}", name, suggest(name, {"auto", "cpu", "cuda", "cuda:0"}));
}

int64_t processors_allowed() { return std::max<int64_t>(1, static_cast<int64_t>(allowed_processors().size())); }

int64_t cores_allowed() {
  std::set<std::string> cores;
  for (const auto processor : allowed_processors()) {
    std::ifstream file(fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", processor));
    std::string siblings;
    if (!std::getline(file, siblings)) siblings = fmt::format("{}", processor);
    cores.insert(siblings);
  }
  auto count = std::max<int64_t>(1, static_cast<int64_t>(cores.size()));
  if (const auto quota = group_limits().cpus; quota > 0) count = std::clamp<int64_t>(std::llround(quota), 1, count);
  return count;
}

int64_t omp_num_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  int64_t threads = 0;
  if (text) std::from_chars(text, text + std::strlen(text), threads);
  return std::max<int64_t>(0, threads);
}

void set_threads(int64_t threads) {
  require(threads >= 0 && threads <= 4096, "threads ({}) must be from 0 to 4096; 0 takes the cores allowed ({})",
          threads, cores_allowed());
  if (threads == 0) threads = omp_num_threads();
  if (threads == 0) threads = cores_allowed();
  at::set_num_threads(static_cast<int>(threads));
}

}  // namespace hadal
