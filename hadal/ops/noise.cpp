#include "hadal/ops/noise.h"

#include <cmath>
#include <numbers>

#include "hadal/core/error.h"
#include "hadal/core/parallel.h"
#include "hadal/core/random.h"

namespace hadal {
namespace {

constexpr uint64_t kNoise = 0x6e6f697365;  // a stream of its own beside others of the same seed

/// Box and Muller's transform, both numbers of a pair used.
void fill_normal(float* out, int64_t size, Random random) {
  for (int64_t i = 0; i < size; i += 2) {
    const auto radius = std::sqrt(-2 * std::log(1 - random.uniform()));
    const auto angle = 2 * std::numbers::pi * random.uniform();
    out[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < size) out[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
}

}  // namespace

Tensor sample_noise(uint64_t seed, int64_t first, int64_t count, at::IntArrayRef shape) {
  require(first >= 0 && count >= 0, "[noise] samples are counted from 0, got {} from {} on", count, first);
  auto sizes = shape.vec();
  sizes.insert(sizes.begin(), count);
  const auto out = torch::empty(sizes, torch::kFloat32);
  const auto size = c10::multiply_integers(shape);
  auto* values = out.mutable_data_ptr<float>();
  parallel_for(0, count, std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(size, 1)), [&](int64_t from, int64_t to) {
    for (auto i = from; i < to; ++i)
      fill_normal(values + i * size, size, Random(seed, {kNoise, static_cast<uint64_t>(first + i)}));
  });
  return out;
}

}  // namespace hadal
