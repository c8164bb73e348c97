#include "hadal/metrics/keypoints.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "hadal/core/error.h"

namespace hadal {
namespace {

constexpr auto kSpacing = std::numeric_limits<double>::epsilon();
constexpr auto kNoPoint = std::numeric_limits<double>::quiet_NaN();

// In the order in which numpy adds up to 128 numbers, so that a similarity right on a threshold falls on the same side.
double sum_as_numpy(std::span<const double> values) {
  const auto count = values.size();
  if (count < 8 || count > 128) return std::accumulate(values.begin(), values.end(), 0.0);
  double r[8];
  std::copy_n(values.begin(), 8, r);
  size_t i = 8;
  for (; i + 8 <= count; i += 8)
    for (size_t lane = 0; lane < 8; ++lane) r[lane] += values[i + lane];
  auto sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < count; ++i) sum += values[i];
  return sum;
}

/// Of an even number the mean of the two in the middle.
double median_of(std::vector<double> values) {
  if (values.empty()) return kNoPoint;
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

}  // namespace

double keypoint_similarity(std::span<const double> found, std::span<const double> truth,
                           const std::array<double, 4>& box, double area, std::span<const double> sigmas) {
  if (found.size() != truth.size() || truth.size() != 3 * sigmas.size())
    fail("[keypoints] {} numbers found, {} true and {} sigmas do not fit: three numbers a keypoint", found.size(),
         truth.size(), sigmas.size());
  bool any = false;
  for (size_t k = 0; k < sigmas.size(); ++k) any = any || truth[3 * k + 2] > 0;
  const auto outside = [](double value, double from, double size) {
    return std::max(0.0, from - size - value) + std::max(0.0, value - (from + size * 2));
  };
  std::vector<double> parts;
  parts.reserve(sigmas.size());
  for (size_t k = 0; k < sigmas.size(); ++k) {
    if (any && !(truth[3 * k + 2] > 0)) continue;
    const auto x = found[3 * k], y = found[3 * k + 1];
    const auto dx = any ? x - truth[3 * k] : outside(x, box[0], box[2]);
    const auto dy = any ? y - truth[3 * k + 1] : outside(y, box[1], box[3]);
    const auto spread = (sigmas[k] * 2) * (sigmas[k] * 2);
    parts.push_back(std::exp(-((dx * dx + dy * dy) / spread / (area + kSpacing) / 2)));
  }
  return parts.empty() ? 0 : sum_as_numpy(parts) / static_cast<double>(parts.size());
}

double keypoint_score(double box_score, std::span<const double> keypoints, double least) {
  double sum = 0;
  int64_t count = 0;
  for (size_t i = 2; i < keypoints.size(); i += 3)
    if (keypoints[i] > least) sum += keypoints[i], ++count;
  return count > 0 ? box_score * (sum / static_cast<double>(count)) : 0;
}

std::vector<size_t> keypoint_nms(const std::vector<FoundKeypoints>& found, double most,
                                 std::span<const double> sigmas) {
  std::vector<size_t> order(found.size());
  std::iota(order.rbegin(), order.rend(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return found[a].score > found[b].score; });
  std::vector<size_t> kept;
  std::vector<double> all(3 * sigmas.size(), 1);  // every keypoint counts, whatever its score
  for (const auto i : order) {
    if (found[i].keypoints.size() != all.size())
      fail("[keypoints] {} numbers for {} keypoints; expected three each", found[i].keypoints.size(), sigmas.size());
    const bool doubled = std::any_of(kept.begin(), kept.end(), [&](size_t better) {
      for (size_t k = 0; k < all.size(); ++k)
        if (k % 3 != 2) all[k] = found[better].keypoints[k];
      const auto alike =
          keypoint_similarity(found[i].keypoints, all, {}, (found[better].area + found[i].area) / 2, sigmas);
      return static_cast<double>(static_cast<float>(alike)) > most;
    });
    if (!doubled) kept.push_back(i);
  }
  return kept;
}

void KeypointErrors::add(std::span<const double> found, std::span<const double> truth, double size) {
  if (found.size() != truth.size() || truth.size() != 3 * sums_.size())
    fail("[keypoints] {} numbers found and {} true, expected {}: three for each of {} keypoints", found.size(),
         truth.size(), 3 * sums_.size(), sums_.size());
  if (!(size > 0)) fail("[keypoints] an object's size must be above 0, got {}", size);
  for (size_t k = 0; k < sums_.size(); ++k) {
    if (!(truth[3 * k + 2] > 0)) continue;
    const auto distance = std::hypot(found[3 * k] - truth[3 * k], found[3 * k + 1] - truth[3 * k + 1]);
    sums_[k].relative.push_back(distance / size);
    sums_[k].pixels.push_back(distance);
    sums_[k].squares += distance * distance;
  }
}

void KeypointErrors::add_missed(std::span<const double> truth) {
  if (truth.size() != 3 * sums_.size())
    fail("[keypoints] {} numbers are true, expected {}: three for each of {} keypoints", truth.size(), 3 * sums_.size(),
         sums_.size());
  for (size_t k = 0; k < sums_.size(); ++k) sums_[k].missed += truth[3 * k + 2] > 0;
}

KeypointErrors::Sums KeypointErrors::together() const {
  Sums out;
  for (const auto& sums : sums_) {
    out.relative.insert(out.relative.end(), sums.relative.begin(), sums.relative.end());
    out.pixels.insert(out.pixels.end(), sums.pixels.begin(), sums.pixels.end());
    out.squares += sums.squares, out.missed += sums.missed;
  }
  return out;
}

double KeypointErrors::Sums::pck(double share) const {
  return part(std::count_if(relative.begin(), relative.end(), [&](double value) { return value < share; }));
}
double KeypointErrors::Sums::within(double most) const {
  return part(std::count_if(pixels.begin(), pixels.end(), [&](double value) { return value <= most; }));
}
double KeypointErrors::Sums::part(int64_t close) const {
  const auto all = std::ssize(pixels) + missed;
  return all == 0 ? kNoPoint : static_cast<double>(close) / static_cast<double>(all);
}
double KeypointErrors::Sums::rmse() const {
  return pixels.empty() ? kNoPoint : std::sqrt(squares / static_cast<double>(pixels.size()));
}

template <class Measure>
std::vector<double> KeypointErrors::each(const Measure& measure) const {
  std::vector<double> out;
  for (const auto& sums : sums_) out.push_back(measure(sums));
  return out;
}

std::vector<double> KeypointErrors::pck(double share) const {
  return each([&](const Sums& sums) { return sums.pck(share); });
}
std::vector<double> KeypointErrors::within(double pixels) const {
  return each([&](const Sums& sums) { return sums.within(pixels); });
}
std::vector<double> KeypointErrors::rmse() const {
  return each([](const Sums& sums) { return sums.rmse(); });
}
std::vector<double> KeypointErrors::median() const {
  return each([](const Sums& sums) { return median_of(sums.pixels); });
}

double KeypointErrors::mean_pck(double share) const { return together().pck(share); }
double KeypointErrors::mean_within(double pixels) const { return together().within(pixels); }
double KeypointErrors::mean_rmse() const { return together().rmse(); }
double KeypointErrors::median_of_all() const { return median_of(together().pixels); }

}  // namespace hadal
