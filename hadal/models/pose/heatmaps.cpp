#include "hadal/models/pose/heatmaps.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "hadal/core/parallel.h"
#include "hadal/core/shape.h"

namespace hadal {
namespace {

constexpr int64_t kRadius = 5;  // of the smoothing before DARK: a kernel of 11
constexpr double kSmooth = 0.8, kLeast = 0.001, kMost = 50;

/// A pixel beyond the edge is the one in the mirror that stands on the edge: -1 is 0, -2 is 1.
int64_t mirrored_index(int64_t i, int64_t size) {
  const auto period = 2 * size;
  i = ((i % period) + period) % period;
  return i < size ? i : period - 1 - i;
}

const std::array<double, 2 * kRadius + 1>& gaussian() {
  static const auto made = [] {
    std::array<double, 2 * kRadius + 1> out{};
    double sum = 0;
    for (int64_t i = -kRadius; i <= kRadius; ++i)
      sum += out[static_cast<size_t>(i + kRadius)] = std::exp(-0.5 * static_cast<double>(i * i) / (kSmooth * kSmooth));
    for (auto& value : out) value /= sum;
    return out;
  }();
  return made;
}

struct Map {
  const float* values;
  int64_t height, width;
  float at(int64_t x, int64_t y) const { return values[y * width + x]; }
};

/// The logarithm of the smoothed map about one pixel: DARK looks at nine.
class SmoothedLog {
 public:
  explicit SmoothedLog(const Map& map) : map_(map) {}
  double at(int64_t x, int64_t y) const {
    x = std::clamp<int64_t>(x, 0, map_.width - 1), y = std::clamp<int64_t>(y, 0, map_.height - 1);
    const auto& weights = gaussian();
    double sum = 0;
    for (int64_t i = -kRadius; i <= kRadius; ++i) {
      double row = 0;
      for (int64_t j = -kRadius; j <= kRadius; ++j)
        row += weights[static_cast<size_t>(j + kRadius)] *
               map_.at(mirrored_index(x + j, map_.width), mirrored_index(y + i, map_.height));
      sum += weights[static_cast<size_t>(i + kRadius)] * row;
    }
    return std::log(std::clamp(sum, kLeast, kMost));
  }

 private:
  const Map& map_;
};

void refine_dark(const Map& map, double& x, double& y) {
  const SmoothedLog log(map);
  const auto i = static_cast<int64_t>(x), j = static_cast<int64_t>(y);
  const auto here = log.at(i, j), right = log.at(i + 1, j), left = log.at(i - 1, j), below = log.at(i, j + 1),
             above = log.at(i, j - 1);
  const auto dx = 0.5 * (right - left), dy = 0.5 * (below - above);
  constexpr double kTiny = std::numeric_limits<float>::epsilon();
  const auto dxx = right - 2 * here + left + kTiny, dyy = below - 2 * here + above + kTiny;
  const auto dxy = 0.5 * (log.at(i + 1, j + 1) - right - below + 2 * here - left - above + log.at(i - 1, j - 1));
  const auto determinant = dxx * dyy - dxy * dxy;
  if (!(std::abs(determinant) > 0)) return;
  x -= (dyy * dx - dxy * dy) / determinant;
  y -= (dxx * dy - dxy * dx) / determinant;
}

void refine_quarter(const Map& map, double& x, double& y) {
  const auto i = static_cast<int64_t>(x), j = static_cast<int64_t>(y);
  if (i <= 0 || j <= 0 || i >= map.width - 1 || j >= map.height - 1) return;
  const auto sign = [](float d) { return d > 0 ? 0.25 : d < 0 ? -0.25 : 0.0; };
  x += sign(map.at(i + 1, j) - map.at(i - 1, j));
  y += sign(map.at(i, j + 1) - map.at(i, j - 1));
}

}  // namespace

Tensor gaussian_maps(const Tensor& points, int64_t height, int64_t width, double sigma) {
  expect_shape("heatmaps", points, {kAny, kAny, 3});
  const auto given = points.to(torch::kFloat32).contiguous();
  auto out = torch::zeros({points.size(0), points.size(1), height, width});
  const auto reach = 3 * sigma;
  parallel_for(0, points.size(0) * points.size(1), 4, [&](int64_t first, int64_t last) {
    for (auto n = first; n < last; ++n) {
      const auto* p = given.const_data_ptr<float>() + 3 * n;
      if (!(p[2] > 0)) continue;
      auto* map = out.data_ptr<float>() + n * height * width;
      const auto from = [&](double v) { return std::max<int64_t>(0, static_cast<int64_t>(std::ceil(v - reach))); };
      const auto to = [&](double v, int64_t size) {
        return std::min(size - 1, static_cast<int64_t>(std::floor(v + reach)));
      };
      for (auto y = from(p[1]); y <= to(p[1], height); ++y)
        for (auto x = from(p[0]); x <= to(p[0], width); ++x) {
          const auto dx = static_cast<double>(x) - p[0], dy = static_cast<double>(y) - p[1];
          map[y * width + x] = static_cast<float>(std::exp(-(dx * dx + dy * dy) / (2 * sigma * sigma)));
        }
    }
  });
  return out;
}

Tensor heatmap_loss(const Tensor& found, const Tensor& wanted, const Tensor& weights) {
  expect_shape("heatmaps", wanted, found.sizes().vec());
  expect_shape("heatmaps", weights, {found.size(0), found.size(1)});
  // Half precision would lose what is small.
  const auto off = (found.scalar_type() == torch::kFloat64 ? found : found.to(torch::kFloat32)) - wanted;
  return (off.square() * weights.unsqueeze(2).unsqueeze(3)).mean();
}

Tensor mirrored_back(const Tensor& maps, const std::vector<int64_t>& swap, bool unbiased) {
  auto out = maps.flip(3);
  if (!swap.empty()) out = out.index_select(1, torch::tensor(swap, torch::kInt64).to(maps.device()));
  if (!unbiased && out.size(3) > 1) out = torch::cat({out.slice(3, 0, 1), out.slice(3, 0, -1)}, 3);
  return out;
}

Tensor decoded(const Tensor& maps, HeatmapDecoding how) {
  expect_shape("heatmaps", maps, {kAny, kAny, kAny, kAny});
  const auto given = maps.to(torch::kCPU, torch::kFloat32).contiguous();
  const auto height = maps.size(2), width = maps.size(3);
  auto out = torch::zeros({maps.size(0), maps.size(1), 3});
  parallel_for(0, maps.size(0) * maps.size(1), 4, [&](int64_t first, int64_t last) {
    for (auto n = first; n < last; ++n) {
      const Map map{given.const_data_ptr<float>() + n * height * width, height, width};
      const auto best = std::max_element(map.values, map.values + height * width) - map.values;
      auto x = static_cast<double>(best % width), y = static_cast<double>(best / width);
      const auto score = map.values[best];
      if (score > 0 && how == HeatmapDecoding::quarter) refine_quarter(map, x, y);
      if (score > 0 && how == HeatmapDecoding::dark) refine_dark(map, x, y);
      auto* p = out.data_ptr<float>() + 3 * n;
      p[0] = static_cast<float>(x), p[1] = static_cast<float>(y), p[2] = score > 0 ? score : 0;
    }
  });
  return out;
}

HeatmapDecoding heatmap_decoding(const std::string& name) {
  if (name == "plain") return HeatmapDecoding::plain;
  if (name == "quarter") return HeatmapDecoding::quarter;
  if (name == "dark") return HeatmapDecoding::dark;
  fail_usage("heat maps are decoded plain, quarter or dark, not \"{}\"", name);
}

}  // namespace hadal
