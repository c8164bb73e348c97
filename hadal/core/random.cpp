#include "hadal/core/random.h"

#include <bit>
#include <cmath>
#include <numbers>
#include <numeric>

namespace hadal {
namespace {

uint64_t mix(uint64_t x) {  // SplitMix64's output function
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

Random::Random(uint64_t seed, std::initializer_list<uint64_t> path) : key_(mix(seed)) {
  for (const auto step : path) key_ = mix(key_ ^ mix(step));
  auto word = key_;
  for (auto& part : state_) part = word = mix(word);
}

Random Random::split(uint64_t key) const { return Random(key_, {key}); }

uint64_t Random::bits() {
  const auto result = std::rotl(state_[1] * 5, 7) * 9;
  const auto shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double Random::uniform() { return static_cast<double>(bits() >> 11) * 0x1.0p-53; }

int64_t Random::below(int64_t n) {
  const auto range = static_cast<uint64_t>(n);
  const auto limit = -range % range;  // the first 2^64 mod n values would favour small numbers
  for (;;)
    if (const auto draw = bits(); draw >= limit) return static_cast<int64_t>(draw % range);
}

double Random::normal() {
  const auto radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

double Random::gamma(double shape) {
  if (shape < 1) return gamma(shape + 1) * std::pow(1 - uniform(), 1 / shape);
  const auto d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const auto x = normal(), t = 1 + c * x;
    if (t <= 0) continue;
    const auto v = t * t * t;
    if (std::log(1 - uniform()) < x * x / 2 + d - d * v + d * std::log(v)) return d * v;
  }
}

double Random::beta(double a, double b) {
  const auto x = gamma(a);
  return x / (x + gamma(b));
}

std::vector<int64_t> permutation(int64_t n, Random& random) {
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t{0});
  random.shuffle(order);
  return order;
}

}  // namespace hadal
