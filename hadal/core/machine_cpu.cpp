#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include <dlfcn.h>
#include <sys/utsname.h>

#include "hadal/core/machine.h"

namespace hadal {
namespace {

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

/// The number at the beginning of `text`, or 0.
template <class T>
T number(std::string_view text) {
  T value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string first_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// The names a processor gives away by family and model only, so that "AMD EPYC" of a virtual machine says more.
std::string generation(const std::string& vendor, int family, int model) {
  if (vendor == "AuthenticAMD") {
    if (family == 26) return "Zen 5";
    if (family == 25)
      return (model >= 0x10 && model <= 0x1f) || (model >= 0x60 && model <= 0x7f) || model >= 0xa0 ? "Zen 4" : "Zen 3";
    if (family == 23) return model >= 0x30 ? "Zen 2" : "Zen";
  }
  if (vendor == "GenuineIntel" && family == 6) {
    static const std::map<int, const char*> names = {
        {0x3f, "Haswell"},        {0x4f, "Broadwell"},      {0x55, "Skylake or Cascade Lake"},
        {0x6a, "Ice Lake"},       {0x6c, "Ice Lake"},       {0x8f, "Sapphire Rapids"},
        {0xcf, "Emerald Rapids"}, {0xad, "Granite Rapids"}, {0x97, "Alder Lake"},
        {0x9a, "Alder Lake"},     {0xb7, "Raptor Lake"},    {0xba, "Raptor Lake"},
        {0xaa, "Meteor Lake"},    {0xc5, "Arrow Lake"},     {0xc6, "Arrow Lake"},
        {0x8c, "Tiger Lake"}};
    if (const auto at = names.find(model); at != names.end()) return at->second;
  }
  return {};
}

std::string shortened(std::string model) {
  for (const char* noise : {"(R)", "(TM)", "(r)", "(tm)", " CPU", " Processor"})
    for (auto at = model.find(noise); at != model.npos; at = model.find(noise))
      model.erase(at, std::string_view(noise).size());
  if (const auto at = model.find(" @ "); at != model.npos) model.erase(at);
  return trimmed(model);
}

/// Calls read(folder, line) with the first line of `file` in a group's folder and in those around it up to `base`.
template <class Read>
void each_group(const std::filesystem::path& base, const std::string& group, const char* file, const Read& read) {
  auto folder = base;
  const auto visit = [&] {
    if (const auto line = first_line(folder / file); !line.empty()) read(folder, line);
  };
  visit();
  for (const auto& name : std::filesystem::path(group).relative_path()) {
    folder /= name;
    visit();
  }
}

template <class T>
void tighten(T& limit, T value) {
  if (value > 0) limit = limit > 0 ? std::min(limit, value) : value;
}

void tighten_memory(int64_t& limit, const std::string& line) {
  const auto bytes = number<int64_t>(line);
  if (bytes < int64_t{1} << 60) tighten(limit, bytes);  // version 1 writes "no limit" as a number near 2^63
}

}  // namespace

bool Cpu::has(std::string_view feature) const {
  return std::find(features.begin(), features.end(), feature) != features.end();
}

double Cpu::fp32_per_cycle() const {
  if (has("AVX-512")) return generation == "Zen 4" ? 32 : 64;  // Zen 4 takes two cycles for 512 bits
  if (has("AVX2")) return 32;
  return has("NEON") || has("SVE") ? 16 : 0;
}

double Cpu::bf16_per_cycle() const {
  if (has("AMX bf16")) return 2048;
  if (has("AVX-512 bf16")) return 2 * fp32_per_cycle();
  return has("bf16") ? 64 : 0;
}

Cpu parse_cpuinfo(const std::string& text) {
  std::map<std::string, std::string> first;  // of the first processor
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (const auto colon = line.find(':'); colon != line.npos)
      first.emplace(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
    if (trimmed(line).empty() && !first.empty()) break;
  }
  Cpu cpu;
  cpu.model = shortened(first["model name"]);
  if (cpu.model.empty()) {
    struct utsname name{};
    cpu.model = ::uname(&name) == 0 ? name.machine : "unknown CPU";
  }
  cpu.generation = generation(first["vendor_id"], number<int>(first["cpu family"]), number<int>(first["model"]));
  cpu.ghz = number<double>(first["cpu MHz"]) / 1000;
  std::istringstream flags(first["flags"] + " " + first["Features"]);
  const std::vector<std::string> words{std::istream_iterator<std::string>(flags), {}};
  static const std::pair<const char*, const char*> names[] = {{"avx2", "AVX2"},
                                                              {"avx512f", "AVX-512"},
                                                              {"avx512_vnni", "AVX-512 VNNI"},
                                                              {"avx512_bf16", "AVX-512 bf16"},
                                                              {"avx_vnni", "AVX VNNI"},
                                                              {"amx_bf16", "AMX bf16"},
                                                              {"amx_int8", "AMX int8"},
                                                              {"asimd", "NEON"},
                                                              {"sve", "SVE"},
                                                              {"sve2", "SVE2"},
                                                              {"bf16", "bf16"},
                                                              {"i8mm", "int8 products"}};
  for (const auto& [flag, name] : names)
    if (std::find(words.begin(), words.end(), flag) != words.end()) cpu.features.push_back(name);
  return cpu;
}

Cpu this_cpu() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  return parse_cpuinfo({std::istreambuf_iterator<char>(cpuinfo), {}});
}

GroupLimits group_limits(const std::filesystem::path& root) {
  GroupLimits limits;
  std::ifstream groups(root / "proc/self/cgroup");
  const auto base = root / "sys/fs/cgroup";
  // A line is ID:CONTROLLERS:PATH. Version 2 has ID 0 and no controllers; inside a container its path may lie outside
  // of what is mounted, and then only the root of the mount can be read.
  for (std::string line; std::getline(groups, line);) {
    const auto one = line.find(':'), two = line.find(':', one + 1);
    if (one == line.npos || two == line.npos) continue;
    const auto controllers = "," + line.substr(one + 1, two - one - 1) + ",", path = line.substr(two + 1);
    const auto controls = [&](const char* name) { return controllers.find(name) != controllers.npos; };
    if (controllers == ",,") {
      each_group(base, path, "cpu.max", [&](const auto&, const std::string& text) {
        const auto period = text.find(' ') == text.npos ? 100000.0 : number<double>(text.substr(text.find(' ') + 1));
        if (period > 0) tighten(limits.cpus, number<double>(text) / period);  // "max 100000" reads as 0: no limit
      });
      each_group(base, path, "memory.max",
                 [&](const auto&, const std::string& text) { tighten_memory(limits.memory, text); });
    }
    if (controls(",cpu,")) {
      each_group(base / "cpu", path, "cpu.cfs_quota_us", [&](const auto& folder, const std::string& text) {
        const auto period = number<double>(first_line(folder / "cpu.cfs_period_us"));
        if (period > 0) tighten(limits.cpus, number<double>(text) / period);  // -1: no limit
      });
    }
    if (controls(",memory,"))
      each_group(base / "memory", path, "memory.limit_in_bytes",
                 [&](const auto&, const std::string& text) { tighten_memory(limits.memory, text); });
  }
  return limits;
}

std::vector<Gpu> find_gpus() {
  // The driver's own interface has a stable binary form, so neither CUDA's headers nor its run time are needed.
  void* driver = ::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (!driver) return {};
  const auto call = [driver](const char* name, auto... arguments) {
    auto* function = reinterpret_cast<int (*)(decltype(arguments)...)>(::dlsym(driver, name));
    return function && function(arguments...) == 0;
  };
  std::vector<Gpu> gpus;
  int count = 0;
  if (call("cuInit", 0u) && call("cuDeviceGetCount", &count)) {
    for (int i = 0; i < count; ++i) {
      int device = 0;
      char name[256] = {};
      size_t memory = 0;
      Gpu gpu;
      if (!call("cuDeviceGet", &device, i) || !call("cuDeviceGetName", &name[0], 255, device)) continue;
      if (call("cuDeviceTotalMem_v2", &memory, device)) gpu.memory = static_cast<int64_t>(memory);
      call("cuDeviceGetAttribute", &gpu.major, 75, device);
      call("cuDeviceGetAttribute", &gpu.minor, 76, device);
      gpu.name = name;
      gpus.push_back(gpu);
    }
  }
  ::dlclose(driver);
  return gpus;
}

}  // namespace hadal
