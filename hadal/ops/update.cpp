#include "hadal/ops/update.h"

#include <atomic>
#include <numeric>

#include <ATen/Parallel.h>

#include "hadal/core/parallel.h"

namespace hadal {

Tensor GradientUse::of(const Updated& u) const {
  auto gradient = u.grad.to(u.value().scalar_type());
  if (scale != 1) gradient = gradient * scale;
  return std::isfinite(bound) ? gradient.clamp(-bound, bound) : gradient;
}

namespace update_detail {

bool has_avx2() {
#ifdef HADAL_UPDATE_AVX2
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return has;
#else
  return false;
#endif
}

// Sixteen running sums: enough for the compiler to keep registers busy, and the same result on every machine.
template <class S>
[[gnu::always_inline]] inline double squares_of(const S* x, int64_t n) {
  constexpr int64_t kLanes = 16;
  std::array<double, kLanes> sums{};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const auto value = static_cast<double>(x[i + lane]);
      sums[static_cast<size_t>(lane)] += value * value;
    }
  for (int64_t lane = 0; i < n; ++i, ++lane) {
    const auto value = static_cast<double>(x[i]);
    sums[static_cast<size_t>(lane)] += value * value;
  }
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

#ifdef HADAL_UPDATE_AVX2
[[gnu::target("avx2,fma")]] double squares_avx2(const float* x, int64_t n) { return squares_of(x, n); }
[[gnu::target("avx2,fma")]] double squares_avx2(const double* x, int64_t n) { return squares_of(x, n); }
double squares(const float* x, int64_t n) { return has_avx2() ? squares_avx2(x, n) : squares_of(x, n); }
double squares(const double* x, int64_t n) { return has_avx2() ? squares_avx2(x, n) : squares_of(x, n); }
#else
double squares(const float* x, int64_t n) { return squares_of(x, n); }
double squares(const double* x, int64_t n) { return squares_of(x, n); }
#endif

double sum_of_squares(const Tensor& t) { return t.to(at::kDouble).square().sum().item<double>(); }

bool same_layout(const Tensor& a, const Tensor& b) {
  if (a.sizes() != b.sizes()) return false;
  for (int64_t d = 0; d < a.dim(); ++d)
    if (a.size(d) > 1 && a.stride(d) != b.stride(d)) return false;
  return true;
}

bool in_one_layout(const Updated& u) {
  const auto type = u.param.scalar_type();
  const bool known = type == at::kFloat || type == at::kDouble || type == at::kBFloat16 || type == at::kHalf;
  if (!u.param.is_cpu() || !known || !u.param.is_non_overlapping_and_dense()) return false;
  if (u.grad.scalar_type() != type || !same_layout(u.param, u.grad) || !same_layout(u.param, u.value())) return false;
  return std::all_of(u.state.begin(), u.state.end(), [&](const Tensor& s) {
    return same_layout(u.param, s) && s.scalar_type() == u.value().scalar_type();
  });
}

void each_block(const std::vector<int64_t>& sizes,
                const std::function<void(size_t tensor, int64_t begin, int64_t end, size_t number)>& block) {
  std::vector<int64_t> first{0};  // the number of each tensor's first block
  for (const auto size : sizes) first.push_back(first.back() + (size + kBlock - 1) / kBlock);
  // Each thread takes the next stretch of blocks when it is through with one: memory does not serve all cores alike.
  const int64_t threads = at::get_num_threads(), stretch = std::clamp<int64_t>(first.back() / (8 * threads), 32, 256);
  std::atomic<int64_t> next = 0;
  parallel_for(0, std::min(threads, (first.back() + stretch - 1) / stretch), 1, [&](int64_t, int64_t) {
    for (auto from = next.fetch_add(stretch); from < first.back(); from = next.fetch_add(stretch)) {
      auto tensor = static_cast<size_t>(std::upper_bound(first.begin(), first.end(), from) - first.begin() - 1);
      for (auto number = from; number < std::min(from + stretch, first.back()); ++number) {
        while (number >= first[tensor + 1]) ++tensor;
        const auto begin = (number - first[tensor]) * kBlock;
        block(tensor, begin, std::min(begin + kBlock, sizes[tensor]), static_cast<size_t>(number));
      }
    }
  });
}

void round_master(Updated& u) {
  if (u.master.defined()) u.param.copy_(u.master);
}

}  // namespace update_detail
}  // namespace hadal
