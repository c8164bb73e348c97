#include "hadal/core/machine.h"

#include <fstream>

#include <ATen/Parallel.h>
#include <fmt/ranges.h>
#include <sched.h>

#include "hadal/core/device.h"

#include "tests/support/support.h"

using namespace hadal;

namespace {

void put(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

/// A machine without anything to complain about.
Machine healthy() {
  Machine m{.hadal = "1.0", .build = "release", .compiler = "clang", .torch = "2.13.0", .blas = "MKL 2024.2"};
  m.onednn = "3.7", m.openmp = "201511";
  m.cpu = {"AMD EPYC", "Zen 5", {"AVX2", "AVX-512", "AVX-512 bf16"}, 2.5};
  m.processors = 4, m.cores = 2, m.threads = 2, m.memory = int64_t{8} << 30;
  return m;
}
const Speeds kHealthy{.fp32 = 190, .bf16 = 880, .linear = 400, .memory = 52};

std::string all(const std::vector<std::string>& lines) { return fmt::format("{}", fmt::join(lines, "\n")); }

}  // namespace

TEST(Machine, ReadsX86) {
  const auto cpu = parse_cpuinfo(
      "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC 9R14 "
      "Processor\n"
      "cpu MHz\t\t: 2600.500\nflags\t\t: fpu avx2 avx512f avx512_bf16\n\nprocessor\t: 1\nmodel name\t: other\n");
  EXPECT_EQ(cpu.model, "AMD EPYC 9R14");
  EXPECT_EQ(cpu.generation, "Zen 4");
  EXPECT_THAT(cpu.features, testing::ElementsAre("AVX2", "AVX-512", "AVX-512 bf16"));
  EXPECT_DOUBLE_EQ(cpu.ghz, 2.6005);
  EXPECT_EQ(cpu.fp32_per_cycle(), 32);
  const auto intel = parse_cpuinfo(
      "vendor_id : GenuineIntel\ncpu family : 6\nmodel : 143\nmodel name : Intel(R) Xeon(R) Platinum 8481C CPU @ "
      "2.70GHz\n"
      "flags : avx2 avx512f amx_bf16 avx512_bf16\n");
  EXPECT_EQ(intel.model, "Intel Xeon Platinum 8481C");
  EXPECT_EQ(intel.generation, "Sapphire Rapids");
  EXPECT_EQ(intel.bf16_per_cycle(), 2048);
}

TEST(Machine, ReadsArmAndNothing) {
  const auto cpu = parse_cpuinfo("processor : 0\nBogoMIPS : 243.75\nFeatures : fp asimd sve bf16\n");
  EXPECT_THAT(cpu.features, testing::ElementsAre("NEON", "SVE", "bf16"));
  EXPECT_EQ(cpu.ghz, 0);
  EXPECT_FALSE(cpu.model.empty());
  EXPECT_TRUE(parse_cpuinfo("\x01\n:::\n\n").features.empty());
}

TEST(Machine, TightestLimitOfNestedGroups) {
  test::TemporaryFolder root;
  put(root / "proc/self/cgroup", "0::/a/b\n");
  EXPECT_EQ(group_limits(root.path()).cpus, 0);
  put(root / "sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  put(root / "sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  put(root / "sys/fs/cgroup/a/memory.max", "4096\n");
  put(root / "sys/fs/cgroup/a/b/memory.max", "8192\n");
  EXPECT_EQ(group_limits(root.path()).cpus, 1.5);
  EXPECT_EQ(group_limits(root.path()).memory, 4096);
}

TEST(Machine, LimitsOfVersionOneGroups) {
  test::TemporaryFolder root;
  put(root / "proc/self/cgroup", "4:memory:/job\n1:cpu,cpuacct:/\n0::/\nbroken line\n");
  put(root / "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  put(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  put(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(group_limits(root.path()).cpus, 0);
  EXPECT_EQ(group_limits(root.path()).memory, 0);
  put(root / "sys/fs/cgroup/memory/job/memory.limit_in_bytes", "1048576\n");
  put(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
  EXPECT_EQ(group_limits(root.path()).cpus, 2);
  EXPECT_EQ(group_limits(root.path()).memory, 1048576);
}

TEST(Machine, WarningsOnlyWhereSomethingIsWrong) {
  EXPECT_EQ(all(machine_warnings(healthy(), kHealthy)), "");
  const auto warned = [](auto change, const char* text) {
    auto machine = healthy();
    auto speeds = kHealthy;
    change(machine, speeds);
    EXPECT_THAT(all(machine_warnings(machine, speeds)), testing::HasSubstr(text));
  };
  warned([](auto& m, auto&) { m.build = "debug"; }, "this is a debug build");
  warned([](auto& m, auto&) { m.omp_num_threads = 8; }, "OMP_NUM_THREADS is 8 and 2 cores are allowed here");
  warned([](auto& m, auto&) { m.omp_num_threads = 1; }, "1 of the 2 cores stay idle");
  warned([](auto& m, auto&) { m.threads = 4; }, "LibTorch runs 4 threads on 2 cores");
  warned([](auto& m, auto&) { m.gpus = {{"H100", 1, 9, 0}}; }, "a GPU (H100), but this LibTorch is built without CUDA");
  warned([](auto& m, auto&) { m.torch_has_cuda = true; }, "no GPU is visible");
  warned([](auto& m, auto&) { m.load = 9; }, "the machine is busy (load 9.0 on 4 processors)");
  warned([](auto&, auto& s) { s.fp32 = s.linear = 50; },
         "fp32 products reach 50 GFLOP/s where 2 cores with AVX-512 bf16");
  warned([](auto&, auto& s) { s.bf16 = 300; }, "hardly faster than fp32 (400)");
  warned([](auto& m, auto& s) { m.cpu.features = {"AVX2"}, s.bf16 = 30; }, "no bf16 arithmetic");
  warned([](auto&, auto& s) { s.memory = 2; }, "memory moves 2.0 GB/s");
  warned([](auto& m, auto&) { m.onednn = ""; }, "has no oneDNN");
}

TEST(Machine, DescribesThisOne) {
  const auto machine = inspect_machine();
  EXPECT_EQ(machine.threads, at::get_num_threads());
  EXPECT_GE(machine.memory, int64_t{1} << 28);
  EXPECT_THAT(machine.torch, testing::StartsWith("2."));
  EXPECT_NE(machine.blas, "MKL ");
  const auto text = describe(machine, Speeds{.fp32 = 187, .bf16 = 880, .linear = 402, .memory = 52});
  EXPECT_THAT(text, testing::HasSubstr("fp32 187 GFLOP/s (Hadal's linear 402), bf16 880"));
  EXPECT_THAT(text, testing::HasSubstr(fmt::format("{} allowed", machine.cores)));
  EXPECT_EQ(machine_line(healthy()), "AMD EPYC (Zen 5), 2 cores, AVX-512 bf16, LibTorch 2.13.0");
  EXPECT_THAT(machine_line(), testing::HasSubstr("LibTorch " + machine.torch));
}

TEST(Machine, MeasuresSpeedsThatAreThere) {
  int calls = 0;
  const auto speeds = measure_speeds(torch::kCPU, [&](const Tensor& x, const Tensor& weight) {
    EXPECT_EQ(x.scalar_type(), torch::kFloat32);
    return ++calls, at::linear(x, weight);
  });
  EXPECT_GT(calls, 3);
  for (const auto speed : {speeds.fp32, speeds.linear, speeds.bf16}) {
    EXPECT_GT(speed, 0.01);
    EXPECT_LT(speed, 1e6);
  }
  EXPECT_GT(speeds.memory, 0.1);
  EXPECT_LT(speeds.memory, 1e4);
}

TEST(Device, PicksByName) {
  EXPECT_EQ(pick_device("cpu"), torch::Device(torch::kCPU));
  EXPECT_NO_THROW(pick_device("auto"));
  EXPECT_ERROR(pick_device("gpu"), "device=gpu: no such device");
  EXPECT_ERROR(pick_device("cuda:"), "device=cuda:: ");
  if (!inspect_machine().torch_has_cuda) EXPECT_ERROR(pick_device("cuda:1"), "is built without CUDA; use device=cpu");
}

TEST(Device, ThreadsFollowTheCoresAllowed) {
  const auto before = at::get_num_threads();
  EXPECT_ERROR(set_threads(-1), "threads (-1) must be from 0 to 4096");
  set_threads(1);
  EXPECT_EQ(at::get_num_threads(), 1);
  const char* old = std::getenv("OMP_NUM_THREADS");
  const std::string kept = old ? old : "";
  ::unsetenv("OMP_NUM_THREADS");
  set_threads(0);
  EXPECT_EQ(at::get_num_threads(), cores_allowed());
  ::setenv("OMP_NUM_THREADS", "3,2", 1);
  set_threads(0);
  EXPECT_EQ(at::get_num_threads(), 3);
  ::setenv("OMP_NUM_THREADS", "many", 1);
  EXPECT_EQ(omp_num_threads(), 0);
  old ? ::setenv("OMP_NUM_THREADS", kept.c_str(), 1) : ::unsetenv("OMP_NUM_THREADS");
  at::set_num_threads(before);
}

TEST(Device, OneProcessorIsOneCore) {
  cpu_set_t before, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &before)) {
      CPU_SET(i, &one);
      break;
    }
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(cores_allowed(), 1);
  EXPECT_EQ(processors_allowed(), 1);
  ::sched_setaffinity(0, sizeof before, &before);
}
