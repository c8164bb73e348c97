#include "hadal/nn/positions.h"

#include <cmath>

#include "hadal/core/error.h"

namespace hadal {
namespace {

/// base^(-2i / width) for i below width / 2, in double: float32 angles of far positions would drift.
Tensor frequencies(int64_t width, double base) {
  return torch::pow(base, torch::arange(0, width, 2, torch::kFloat64) / -static_cast<double>(width));
}

/// Llama 3.1's: slow ones are divided, fast ones stay.
Tensor stretched(const Tensor& frequencies, const RotaryConfig& config) {
  const auto turns = frequencies * (static_cast<double>(config.original) / (2 * M_PI));
  const auto kept = ((turns - config.low) / (config.high - config.low)).clamp(0, 1);
  return frequencies * (kept + (1 - kept) / config.factor);
}

}  // namespace

Tensor sinusoidal_positions(int64_t length, int64_t dim, double base) {
  require(dim > 0 && dim % 2 == 0, "[positions] sines and cosines want an even width, got {}", dim);
  const auto angles = torch::arange(length, torch::kFloat64).unsqueeze(1) * frequencies(dim, base);  // (T, dim / 2)
  return torch::stack({angles.sin(), angles.cos()}, -1).flatten(1).to(torch::kFloat32);
}

Fields<RotaryConfig> RotaryConfig::fields() {
  return {
      {"base", &RotaryConfig::base, "wavelengths grow up to about 6.3 times this",
       above(1).changes(Limit::Change::learning)},
      {"scaling", &RotaryConfig::scaling, "how texts longer than the trained ones are read",
       one_of({"none", "linear", "ntk", "llama3"}).changes(Limit::Change::learning)},
      {"factor", &RotaryConfig::factor, "how many times longer", at_least(1).changes(Limit::Change::learning)},
      {"low", &RotaryConfig::low, "llama3: what turns less often in the original context is divided by factor",
       above(0).changes(Limit::Change::learning)},
      {"high", &RotaryConfig::high, "llama3: what turns more often stays", above(0).changes(Limit::Change::learning)},
      {"original", &RotaryConfig::original, "llama3: tokens of the original context",
       at_least(1).changes(Limit::Change::learning)}};
}

void RotaryConfig::validate() const {
  require(scaling != "llama3" || low < high, "[rotary] low ({}) must be less than high ({})", low, high);
}

Rotation rotation(const Tensor& positions, int64_t width, const RotaryConfig& config) {
  require(width > 0 && width % 2 == 0, "[rotary] a head's width must be even, got {}", width);
  auto base = config.base, stretch = 1.0;
  if (config.scaling == "linear")
    stretch = config.factor;
  else if (config.scaling == "ntk" && width > 2)
    base *= std::pow(config.factor, static_cast<double>(width) / static_cast<double>(width - 2));
  else
    require(config.scaling == "none" || config.scaling == "ntk" || config.scaling == "llama3",
            "[rotary] there is no scaling \"{}\"; known: none, linear, ntk, llama3", config.scaling);
  auto turning = frequencies(width, base);
  if (config.scaling == "llama3") turning = stretched(turning, config);
  const auto angles = positions.to(torch::kFloat64).unsqueeze(-1) / stretch * turning.to(positions.device());
  return {angles.cos().to(torch::kFloat32), angles.sin().to(torch::kFloat32)};
}

Tensor rotated(const Tensor& x, const Rotation& rotation) {
  if (2 * rotation.cosine.size(-1) != x.size(-1))
    fail("[rotary] angles for heads of width {} and heads of {}", 2 * rotation.cosine.size(-1), x.size(-1));
  const auto halves = x.chunk(2, -1);
  const auto &a = halves[0], &b = halves[1];
  const auto cosine = rotation.cosine.to(x.device()), sine = rotation.sine.to(x.device());
  return torch::cat({a * cosine - b * sine, b * cosine + a * sine}, -1).to(x.scalar_type());
}

Tensor alibi_slopes(int64_t heads) {
  // 2^(-8 i / n) for i = 1 ... n where n is a power of two; else those of the power below, then every other one of the
  // power above.
  const auto power = [](int64_t n) {
    std::vector<double> out;
    for (int64_t i = 1; i <= n; ++i) out.push_back(std::exp2(-8.0 * static_cast<double>(i) / static_cast<double>(n)));
    return out;
  };
  int64_t below = 1;
  while (below * 2 <= heads) below *= 2;
  auto slopes = power(below);
  const auto finer = power(2 * below);
  for (size_t i = 0; static_cast<int64_t>(slopes.size()) < heads; i += 2) slopes.push_back(finer[i]);
  return torch::tensor(slopes, torch::kFloat32);
}

Tensor alibi_bias(const Tensor& slopes, const Tensor& queries, const Tensor& keys) {
  const auto distance = (queries.unsqueeze(1) - keys.unsqueeze(0)).abs().to(torch::kFloat32);
  return slopes.to(queries.device()).view({-1, 1, 1}) * -distance;
}

RelativeBiasImpl::RelativeBiasImpl(int64_t heads, bool both_ways, int64_t buckets, int64_t farthest)
    : both_ways_(both_ways), buckets_(buckets), farthest_(farthest) {
  relative_attention_bias_ = register_module("relative_attention_bias", nn::Embedding(buckets, heads));
}

Tensor RelativeBiasImpl::bucket(const Tensor& distance) const {
  auto count = buckets_;
  auto far = -distance;  // how far back
  auto base = torch::zeros_like(distance);
  if (both_ways_) {
    count /= 2;
    base = (distance > 0).to(torch::kInt64) * count;
    far = distance.abs();
  }
  far = far.clamp_min(0);
  const auto exact = count / 2;
  const auto along = torch::log(far.clamp_min(1).to(torch::kFloat32) / static_cast<double>(exact)) /
                     std::log(static_cast<double>(farthest_) / static_cast<double>(exact));
  const auto shared = (exact + (along * static_cast<double>(count - exact)).to(torch::kInt64)).clamp_max(count - 1);
  return base + torch::where(far < exact, far, shared);
}

Tensor RelativeBiasImpl::forward(const Tensor& queries, const Tensor& keys) {
  const auto distance = keys.unsqueeze(0) - queries.unsqueeze(1);  // (Tq, Tk)
  return relative_attention_bias_(bucket(distance)).permute({2, 0, 1}).unsqueeze(0);
}

}  // namespace hadal
