#include <algorithm>

#include <torch/cuda.h>
#include <unistd.h>

#include "hadal/core/clock.h"
#include "hadal/core/machine.h"
#include "hadal/core/product_speed.h"

namespace hadal {
namespace {

/// The shortest time that `body` took, within about a quarter of a second; the first call only warms up.
template <class Body>
double best_time(const torch::Device& device, const Body& body, int least = 3) {
  const auto settle = [&] {
    if (device.is_cuda()) torch::cuda::synchronize();
  };
  body();
  settle();
  double best = INFINITY;
  const auto begin = steady_seconds();
  for (int round = 0; round < least || steady_seconds() - begin < 0.25; ++round) {
    const auto start = steady_seconds();
    body();
    settle();
    best = std::min(best, steady_seconds() - start);
  }
  return best;
}

int64_t side_of(const torch::Device& device) { return device.is_cuda() ? 8192 : 1024; }

}  // namespace

double product_speed(const torch::Device& device, torch::Dtype type, const Product& own) {
  const torch::NoGradGuard no_grad;
  const auto n = side_of(device);
  const auto a = torch::linspace(-1, 1, n * n, device).view({n, n}).to(type), b = a.flip(0).contiguous();
  auto out = torch::empty_like(a);
  auto seconds = best_time(device, [&] { at::mm_out(out, a, b); }, 1);
  if (own) seconds = std::min(seconds, best_time(device, [&] { out = own(a, b); }, 1));
  return 2.0 * static_cast<double>(n * n * n) / seconds;
}

Speeds measure_speeds(const torch::Device& device, const Product& linear) {
  torch::NoGradGuard no_grad;
  Speeds speeds;
  const auto n = side_of(device);
  const auto operations = 2.0 * static_cast<double>(n * n * n);
  const auto gflops = [&](const auto& body) { return operations / best_time(device, body) / 1e9; };
  {
    const auto a = torch::rand({n, n}, device), b = torch::rand({n, n}, device);
    auto out = torch::empty({n, n}, device);
    speeds.fp32 = gflops([&] { at::mm_out(out, a, b); });
    if (linear) speeds.linear = gflops([&] { out = linear(a, b); });
    const auto a16 = a.to(torch::kBFloat16), b16 = b.to(torch::kBFloat16);
    auto out16 = torch::empty_like(a16);
    speeds.bf16 = gflops([&] { at::mm_out(out16, a16, b16); });
  }
  // Beyond any cache, but never more than a small part of the memory.
  const auto memory = static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
  const int64_t floats = device.is_cuda() ? int64_t{1} << 28 : std::min<int64_t>(int64_t{1} << 26, memory / 128);
  auto a = torch::zeros({floats}, device), b = torch::ones({floats}, device);
  speeds.memory = 3.0 * 4 * static_cast<double>(floats) / best_time(device, [&] { a.add_(b); }) / 1e9;
  return speeds;
}

}  // namespace hadal
