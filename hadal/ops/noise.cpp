#include "hadal/ops/noise.h"

#include <cmath>
#include <numbers>

#include "hadal/core/error.h"
#include "hadal/core/parallel.h"
#include "hadal/core/random.h"

namespace hadal {
namespace {

constexpr uint64_t kNoise = 0x6e6f697365, kBits = 0x62697473,
                   kStep = 0x73746570;  // streams of their own beside others of the same seed

/// Box and Muller's transform, both numbers of a pair used.
void fill_normal(float* out, int64_t size, Random random) {
  for (int64_t i = 0; i < size; i += 2) {
    const auto radius = std::sqrt(-2 * std::log(1 - random.uniform()));
    const auto angle = 2 * std::numbers::pi * random.uniform();
    out[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < size) out[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
}

/// At least so many rows a piece that threads are worth it.
int64_t grain(int64_t size) { return std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(size, 1)); }

/// Row i from stream(first + i).
template <class Stream>
Tensor rows_of_noise(int64_t first, int64_t count, at::IntArrayRef shape, const Stream& stream) {
  require(first >= 0 && count >= 0, "[noise] samples are counted from 0, got {} from {} on", count, first);
  auto sizes = shape.vec();
  sizes.insert(sizes.begin(), count);
  const auto out = torch::empty(sizes, torch::kFloat32);
  const auto size = c10::multiply_integers(shape);
  auto* values = out.mutable_data_ptr<float>();
  parallel_for(0, count, grain(size), [&](int64_t from, int64_t to) {
    for (auto i = from; i < to; ++i) fill_normal(values + i * size, size, stream(static_cast<uint64_t>(first + i)));
  });
  return out;
}

}  // namespace

Tensor sample_noise(uint64_t seed, int64_t first, int64_t count, at::IntArrayRef shape) {
  return rows_of_noise(first, count, shape, [&](uint64_t sample) { return Random(seed, {kNoise, sample}); });
}

Tensor step_noise(uint64_t seed, int64_t step, int64_t first, int64_t count, at::IntArrayRef shape) {
  return rows_of_noise(first, count, shape,
                       [&](uint64_t sample) { return Random(seed, {kStep, sample, static_cast<uint64_t>(step)}); });
}

Tensor draw_bits(const Tensor& p, uint64_t seed, const std::vector<int64_t>& index) {
  const auto chances = p.detach().to(torch::kCPU, torch::kFloat32).contiguous();
  const auto count = chances.dim() == 0 ? 0 : chances.size(0);
  require(static_cast<int64_t>(index.size()) == count, "[bits] {} rows want as many indices, got {}", count,
          index.size());
  const auto size = count == 0 ? 0 : chances.numel() / count;
  const auto out = torch::empty_like(chances);
  const auto* from = chances.const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<float>();
  parallel_for(0, count, grain(size), [&](int64_t first, int64_t last) {
    for (auto i = first; i < last; ++i) {
      Random random(seed, {kBits, static_cast<uint64_t>(index[i])});
      for (auto j = i * size; j < (i + 1) * size; ++j) to[j] = random.uniform() < from[j] ? 1.F : 0.F;
    }
  });
  return out.to(p.device());
}

}  // namespace hadal
