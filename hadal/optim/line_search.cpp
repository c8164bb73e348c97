#include "hadal/optim/line_search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>
#include <utility>

namespace hadal {
namespace {

constexpr double kEnough = 1e-4, kFlat = 0.9;  // c1 and c2 of Wolfe's conditions
constexpr double kNoChange = 1e-9;
constexpr int kMostIterations = 25;

struct Probe {
  double length = 0, slope = 0;
  LossPoint point;
  double loss() const { return point.loss; }
};

/// The minimum of the cubic through two points and slopes, within [low, high].
double cubic_minimum(const Probe& a, const Probe& b, double low, double high) {
  const auto& [left, right] = a.length <= b.length ? std::tie(a, b) : std::tie(b, a);
  const auto mean = left.slope + right.slope - 3 * (left.loss() - right.loss()) / (left.length - right.length);
  const auto square = mean * mean - left.slope * right.slope;
  if (square < 0) return (low + high) / 2;
  const auto root = std::sqrt(square);  // not a number beside a point that is infinitely high
  const auto at = right.length -
                  (right.length - left.length) * ((right.slope + root - mean) / (right.slope - left.slope + 2 * root));
  return std::isfinite(at) ? std::min(std::max(at, low), high) : (low + high) / 2;
}

}  // namespace

LinePoint strong_wolfe(const std::function<LossPoint(double length)>& at, double length, const Tensor& direction,
                       const LossPoint& start, double slope) {
  int64_t evaluations = 0;
  int iterations = 0;
  const auto probe = [&](double where) {
    Probe made{where, 0, at(where)};
    ++evaluations;
    made.slope = made.point.gradient.dot(direction).item<double>();
    return made;
  };
  const auto too_high = [&](const Probe& p) { return p.loss() > start.loss + kEnough * p.length * slope; };
  const auto flat_enough = [&](const Probe& p) { return std::abs(p.slope) <= -kFlat * slope; };

  // Widen until a minimum lies between two points.
  const Probe origin{0, slope, start};
  Probe before = origin, now = probe(length), other;
  bool bracketed = false;
  for (; iterations < kMostIterations; ++iterations) {
    if (too_high(now) || (iterations > 1 && now.loss() >= before.loss()) || (!flat_enough(now) && now.slope >= 0)) {
      bracketed = true;
      break;
    }
    if (flat_enough(now)) return {now.length, now.point, evaluations};
    const auto next = cubic_minimum(before, now, now.length + 0.01 * (now.length - before.length), now.length * 10);
    before = std::exchange(now, {});
    now = probe(next);
  }
  std::array<Probe, 2> ends{bracketed ? before : origin, now};
  size_t low = 0;
  const auto find_low = [&] { low = ends[0].loss() <= ends[1].loss() ? 0 : 1; };
  find_low();

  // Narrow it down.
  const auto reach = direction.abs().max().item<double>();
  for (bool stuck = false, done = false; !done && iterations < kMostIterations; ++iterations) {
    const auto left = std::min(ends[0].length, ends[1].length), right = std::max(ends[0].length, ends[1].length);
    if ((right - left) * reach < kNoChange) break;
    auto next = cubic_minimum(ends[0], ends[1], left, right);
    const auto margin = 0.1 * (right - left);
    const bool near_an_end = std::min(right - next, next - left) < margin;
    if (near_an_end && (stuck || next >= right || next <= left)) {
      next = std::abs(next - right) < std::abs(next - left) ? right - margin : left + margin;
      stuck = false;
    } else {
      stuck = near_an_end;
    }
    auto middle = probe(next);
    const auto high = 1 - low;
    if (too_high(middle) || middle.loss() >= ends[low].loss()) {
      ends[high] = std::move(middle);
      find_low();
      continue;
    }
    if (flat_enough(middle))
      done = true;
    else if (middle.slope * (ends[high].length - ends[low].length) >= 0)
      ends[high] = ends[low];
    ends[low] = std::move(middle);
  }
  return {ends[low].length, ends[low].point, evaluations};
}

}  // namespace hadal
