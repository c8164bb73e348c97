// Random streams: every number follows from a seed and the place it is used (epoch, index, ...), never from thread
// timing.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace hadal {

/// xoshiro256** (Blackman & Vigna 2021, doi:10.1145/3460772), its state filled by SplitMix64 from the seed and the
/// path. Equal seed and path give equal numbers on every machine; different paths give independent streams.
class Random {
 public:
  explicit Random(uint64_t seed, std::initializer_list<uint64_t> path = {});

  uint64_t bits();
  /// In [0, 1), 53 bits.
  double uniform();
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// In [0, n), without bias; n > 0.
  int64_t below(int64_t n);
  /// In [low, high], both included.
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  bool chance(double p) { return uniform() < p; }
  /// Standard normal (Box-Muller).
  double normal();
  /// Gamma(shape, 1) for shape > 0 (Marsaglia & Tsang 2000), and from it Beta(a, b).
  double gamma(double shape);
  double beta(double a, double b);

  /// A stream of its own, fixed by this stream's seed and path and by `key`; does not advance this one.
  Random split(uint64_t key) const;

  template <class T>
  void shuffle(std::vector<T>& items) {
    for (auto i = static_cast<int64_t>(items.size()) - 1; i > 0; --i) std::swap(items[i], items[below(i + 1)]);
  }

 private:
  uint64_t key_;
  uint64_t state_[4];
};

/// 0, 1, ..., n - 1 in random order.
std::vector<int64_t> permutation(int64_t n, Random& random);

}  // namespace hadal
