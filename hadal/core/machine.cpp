#include "hadal/core/machine.h"

#include <cmath>
#include <cstdlib>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/ranges.h>
#include <torch/version.h>
#include <unistd.h>

#include "hadal/core/device.h"
#include "hadal/core/format.h"

namespace hadal {
namespace {

std::string compiler_name() {
#if defined(__clang__)
  return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("gcc {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

std::string build_kind() {
#if !defined(__OPTIMIZE__)
  return "debug";
#elif defined(__SANITIZE_ADDRESS__)
  return "sanitizers";
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  return "sanitizers";
#else
  return "release";
#endif
#else
  return "release";
#endif
}

/// What follows `before` in LibTorch's description of itself, up to any of `ends`.
std::string after(const std::string& text, std::string_view before, const char* ends) {
  const auto at = text.find(before);
  if (at == text.npos) return {};
  const auto first = at + before.size();
  return text.substr(first, text.find_first_of(ends, first) - first);
}

std::string blas_name(const std::string& config) {
  if (at::hasMKL()) return "MKL " + after(config, "Math Kernel Library Version ", "- ");
  const auto name = after(config, "BLAS_INFO=", ", \n");
  return name == "open" ? "OpenBLAS" : name.empty() ? "unknown" : name;
}

std::string gpu_line(const Gpu& gpu) {
  return fmt::format("{}, {}, compute {}.{}", gpu.name, format_bytes(static_cast<double>(gpu.memory)), gpu.major,
                     gpu.minor);
}

/// The feature that decides the speed of products, for one line.
std::string best_feature(const Cpu& cpu) {
  for (const char* name : {"AMX bf16", "AVX-512 bf16", "AVX-512", "AVX2", "SVE2", "SVE", "NEON"})
    if (cpu.has(name)) return name;
  return {};
}

std::string cpu_name(const Cpu& cpu) {
  return cpu.generation.empty() ? cpu.model : fmt::format("{} ({})", cpu.model, cpu.generation);
}

std::string cores_text(int64_t cores) { return fmt::format("{} core{}", cores, cores == 1 ? "" : "s"); }

void warn_about_speeds(const Machine& m, const Speeds& s, std::vector<std::string>& out) {
  const auto say = [&]<class... Args>(fmt::format_string<Args...> text, Args&&... args) {
    out.push_back(fmt::format(text, std::forward<Args>(args)...));
  };
  // The base clock and perfect kernels; a quarter of that is what no healthy machine falls below.
  const auto threads = static_cast<double>(std::min(m.threads, m.cores));
  const auto fp32 = std::max(s.fp32, s.linear), promised = threads * m.cpu.ghz * m.cpu.fp32_per_cycle();
  if (fp32 < 0.25 * promised)
    say("fp32 products reach {:.0f} GFLOP/s where {} with {} could do about {:.0f}; is it throttled, shared "
        "with others, or the BLAS ({}) a plain one?",
        fp32, cores_text(static_cast<int64_t>(threads)), best_feature(m.cpu), promised, m.blas);
  if (m.cpu.bf16_per_cycle() > 0 && s.bf16 < 1.2 * fp32)
    say("bf16 products ({:.0f} GFLOP/s) are hardly faster than fp32 ({:.0f}) though the CPU has {}; precision=fp32 may "
        "be as fast{}",
        s.bf16, fp32, best_feature(m.cpu), m.onednn.empty() ? " (LibTorch has no oneDNN)" : "");
  if (m.cpu.bf16_per_cycle() == 0 && s.bf16 < 0.8 * fp32)
    say("this CPU has no bf16 arithmetic: bf16 products reach {:.0f} GFLOP/s, fp32 {:.0f}; use precision=fp32", s.bf16,
        fp32);
  if (s.memory < 5)
    say("memory moves {:.1f} GB/s, far below the 10 and more of ordinary machines; is it shared with others?",
        s.memory);
}

}  // namespace

Machine inspect_machine() {
  const auto config = at::show_config();
  Machine m{.hadal = HADAL_VERSION, .build = build_kind(), .compiler = compiler_name(), .torch = TORCH_VERSION};
  m.blas = blas_name(config);
  if (at::hasMKLDNN()) m.onednn = after(config, "DNN v", " \n");
  m.openmp = at::hasOpenMP() ? after(config, "a.k.a. OpenMP ", ")\n") : "";
  m.torch_has_cuda = at::globalContext().hasCUDART();
  m.cpu = this_cpu();
  m.processors = processors_allowed();
  m.cores = cores_allowed();
  m.threads = at::get_num_threads();
  m.omp_num_threads = omp_num_threads();
  if (::getloadavg(&m.load, 1) != 1) m.load = 0;
  m.memory = static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
  m.limits = group_limits();
  m.gpus = find_gpus();
  return m;
}

std::vector<std::string> machine_warnings(const Machine& m, const std::optional<Speeds>& speeds) {
  std::vector<std::string> out;
  const auto say = [&]<class... Args>(fmt::format_string<Args...> text, Args&&... args) {
    out.push_back(fmt::format(text, std::forward<Args>(args)...));
  };
  if (m.build != "release")
    say("this is a {} build of Hadal and slow; build with CMAKE_BUILD_TYPE=Release for work", m.build);
  if (m.omp_num_threads > m.cores)
    say("OMP_NUM_THREADS is {} and {} allowed here: threads wait for each other; unset it or set {}", m.omp_num_threads,
        m.cores == 1 ? "1 core is" : fmt::format("{} cores are", m.cores), m.cores);
  else if (m.threads > m.cores)
    say("LibTorch runs {} threads on {}: they wait for each other; set threads={}", m.threads, cores_text(m.cores),
        m.cores);
  if (m.omp_num_threads > 0 && m.omp_num_threads < m.cores)
    say("OMP_NUM_THREADS is {}: {} of the {} cores stay idle", m.omp_num_threads, m.cores - m.omp_num_threads, m.cores);
  if (m.openmp.empty()) say("this LibTorch is built without OpenMP: most of its work runs on one thread");
  if (m.cpu.fp32_per_cycle() == 0) say("this CPU has no AVX2, SVE or NEON: expect little speed");
  if (m.onednn.empty()) say("this LibTorch has no oneDNN: convolutions and bf16 are slow");
  if (!m.gpus.empty() && !m.torch_has_cuda)
    say("there is a GPU ({}), but this LibTorch is built without CUDA; point CMAKE_PREFIX_PATH at one with CUDA and "
        "build "
        "again",
        m.gpus[0].name);
  if (m.gpus.empty() && m.torch_has_cuda) say("this LibTorch can use CUDA, but no GPU is visible");
  if (!speeds) return out;
  if (m.load > 1.2 * static_cast<double>(m.processors))
    say("the machine is busy (load {:.1f} on {} processors): the speeds measured here are too low", m.load,
        m.processors);
  else
    warn_about_speeds(m, *speeds, out);
  return out;
}

std::string describe(const Machine& m, const std::optional<Speeds>& speeds) {
  std::string out;
  const auto line = [&](const char* name, const std::string& value) { out += fmt::format("{:<11}{}\n", name, value); };
  line("Hadal", fmt::format("{}, {} build, {}", m.hadal, m.build, m.compiler));
  line("LibTorch",
       fmt::format("{}, BLAS {}, oneDNN {}, OpenMP {}, CUDA {}", m.torch, m.blas, m.onednn.empty() ? "none" : m.onednn,
                   m.openmp.empty() ? "none" : m.openmp, m.torch_has_cuda ? "yes" : "none"));
  line("CPU", fmt::format("{}{}, {}", cpu_name(m.cpu), m.cpu.ghz > 0 ? fmt::format(", {:.1f} GHz", m.cpu.ghz) : "",
                          fmt::join(m.cpu.features, ", ")));
  line("Cores",
       fmt::format("{} allowed ({} processor{}{}), LibTorch runs {} thread{}", m.cores, m.processors,
                   m.processors == 1 ? "" : "s", m.limits.cpus > 0 ? fmt::format(", quota {:.1f}", m.limits.cpus) : "",
                   m.threads, m.threads == 1 ? "" : "s"));
  const auto memory = [](int64_t bytes) { return format_bytes(static_cast<double>(bytes)); };
  const bool limited = m.limits.memory > 0 && m.limits.memory < m.memory;
  line("Memory", memory(m.memory) + (limited ? fmt::format(", {} allowed", memory(m.limits.memory)) : ""));
  for (const auto& gpu : m.gpus) line("GPU", gpu_line(gpu));
  if (m.gpus.empty()) line("GPU", "none");
  if (speeds) {
    line("Products", fmt::format("fp32 {:.0f} GFLOP/s{}, bf16 {:.{}f}", speeds->fp32,
                                 speeds->linear > 0 ? fmt::format(" (Hadal's linear {:.0f})", speeds->linear) : "",
                                 speeds->bf16, speeds->bf16 < 10 ? 1 : 0));
    line("Bandwidth", fmt::format("{:.0f} GB/s", speeds->memory));
  }
  for (const auto& warning : machine_warnings(m, speeds)) out += "warning: " + warning + '\n';
  return out;
}

std::string machine_line(const Machine& m) {
  std::vector<std::string> parts = {cpu_name(m.cpu), cores_text(m.cores)};
  if (const auto feature = best_feature(m.cpu); !feature.empty()) parts.push_back(feature);
  for (const auto& gpu : m.gpus)
    if (m.torch_has_cuda) parts.push_back(gpu.name);
  parts.push_back("LibTorch " + m.torch);
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string machine_line() { return machine_line(inspect_machine()); }

}  // namespace hadal
