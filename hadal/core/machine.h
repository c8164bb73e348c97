// What this machine and this build are and how fast they are: for `hadal doctor` and the first lines of a report.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

struct Cpu {
  std::string model;                  // "AMD EPYC"; the architecture where the system tells no name
  std::string generation;             // "Zen 5", "Sapphire Rapids"; empty when unknown
  std::vector<std::string> features;  // those that decide speed: "AVX2", "AVX-512", "AVX-512 bf16", "AMX bf16", ...
  double ghz = 0;                     // the base clock; 0 when unknown

  bool has(std::string_view feature) const;
  /// Multiplications and additions a core can do in a cycle at best; 0 when unknown, or for bf16 when emulated.
  double fp32_per_cycle() const;
  double bf16_per_cycle() const;
};
/// Reads the text of /proc/cpuinfo, x86 or Arm.
Cpu parse_cpuinfo(const std::string& text);
Cpu this_cpu();

/// What the control groups of this process allow, versions 1 and 2; 0: no limit.
struct GroupLimits {
  double cpus = 0;
  int64_t memory = 0;  // bytes
};
/// `root` stands in for / in tests.
GroupLimits group_limits(const std::filesystem::path& root = "/");

struct Gpu {
  std::string name;
  int64_t memory = 0;        // bytes
  int major = 0, minor = 0;  // compute capability
  bool computes_bf16() const { return major >= 8; }
};
/// The NVIDIA GPUs that the driver shows, whether or not this LibTorch can use them.
std::vector<Gpu> find_gpus();

struct Machine {
  std::string hadal, build, compiler;
  std::string torch, blas, onednn, openmp;  // versions; onednn is empty when LibTorch has none
  bool torch_has_cuda = false;
  Cpu cpu;
  int64_t processors = 0, cores = 0, threads = 0;  // allowed, allowed, LibTorch's
  int64_t omp_num_threads = 0;                     // of the environment; 0: not set
  double load = 0;                                 // processes that ran or waited to, mean of the last minute
  int64_t memory = 0;                              // bytes, of the machine
  GroupLimits limits;
  std::vector<Gpu> gpus;
};
Machine inspect_machine();

/// Best of several repetitions, all threads.
struct Speeds {
  double fp32 = 0, bf16 = 0;  // GFLOP/s of a product of two square matrices, 2 n^3 operations
  double linear = 0;          // the same in fp32 by the function that was given; 0 without one
  double memory = 0;          // GB/s (10^9) of a += b on arrays beyond the caches, reads and writes counted
};
/// x (n, k), weight (m, k) -> x weight^T
using Product = std::function<Tensor(const Tensor& x, const Tensor& weight)>;
/// Takes one to two seconds. `linear` is Hadal's own product, which lies in a higher folder.
Speeds measure_speeds(const torch::Device& device = torch::kCPU, const Product& linear = {});

/// Plain sentences about what makes this machine slower than it could be; with speeds also about those.
std::vector<std::string> machine_warnings(const Machine& machine, const std::optional<Speeds>& speeds = {});

/// Lines of "Name   value"; with the warnings at the end.
std::string describe(const Machine& machine, const std::optional<Speeds>& speeds = {});
/// "AMD EPYC (Zen 5), 2 cores, AVX-512 bf16, LibTorch 2.13.0"
std::string machine_line(const Machine& machine);
std::string machine_line();

}  // namespace hadal
