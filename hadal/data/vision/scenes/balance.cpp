// Classes that come far apart: counts, weights for losses, and how often to draw a picture.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "hadal/core/error.h"
#include "hadal/core/random.h"
#include "hadal/data/vision/scenes/scene_data.h"

namespace hadal {

Tensor class_counts(const SceneData& data) {
  const auto classes = std::ssize(data.about().classes);
  auto counts = torch::zeros({classes}, torch::kInt64);
  for (int64_t i = 0; i < data.size(); ++i) {
    const auto labels = data.labels(i);
    const auto* at = labels.const_data_ptr<int64_t>();
    for (int64_t n = 0; n < labels.size(0); ++n) {
      require(at[n] >= 0 && at[n] < classes, "{}: class {} is not among the {} names", data.name(i), at[n], classes);
      ++counts.data_ptr<int64_t>()[at[n]];
    }
  }
  return counts;
}

Tensor class_weights(const Tensor& counts, double power) {
  const auto n = counts.to(torch::kFloat64);
  const auto there = n > 0;
  if (!there.any().item<bool>()) return torch::ones_like(n).to(torch::kFloat32);
  const auto mean = n.sum() / there.sum();
  auto weights = (mean / n.clamp_min(1)).pow(power);
  weights = weights.clamp_max((10 * weights.masked_select(there).min()).item<double>());
  weights = torch::where(there, weights, torch::zeros_like(weights));
  return (weights * n.sum() / (weights * n).sum()).to(torch::kFloat32);
}

std::vector<double> balanced_weights(const SceneData& data, double share) {
  require(share > 0 && share <= 1,
          "[balance] the share of pictures a class should have is above 0 and at most 1, got {}", share);
  const auto classes = data.about().classes.size();
  std::vector<std::vector<int64_t>> holds(data.size());
  std::vector<double> pictures(classes, 0);
  for (int64_t i = 0; i < data.size(); ++i) {
    const auto labels = data.labels(i);
    holds[i].assign(labels.const_data_ptr<int64_t>(), labels.const_data_ptr<int64_t>() + labels.size(0));
    std::sort(holds[i].begin(), holds[i].end());
    holds[i].erase(std::unique(holds[i].begin(), holds[i].end()), holds[i].end());
    for (const auto label : holds[i]) ++pictures.at(label);
  }
  std::vector<double> weights(data.size(), 1);
  for (int64_t i = 0; i < data.size(); ++i)
    for (const auto label : holds[i])
      weights[i] = std::max(weights[i], std::sqrt(share * static_cast<double>(data.size()) / pictures[label]));
  return weights;
}

std::vector<int64_t> weighted_order(const std::vector<double>& weights, int64_t count, uint64_t seed, int64_t epoch) {
  const auto total = std::accumulate(weights.begin(), weights.end(), 0.0);
  require(count >= 0 && (count == 0 || total > 0), "[balance] cannot draw {} pictures by weights that sum to {}", count,
          total);
  Random random(seed, {0xBA1A, static_cast<uint64_t>(epoch)});
  // One random start and even steps (systematic sampling): each picture comes its part, rounded down or up.
  std::vector<int64_t> out;
  const double start = random.uniform();
  double passed = 0;
  for (size_t i = 0; i < weights.size() && count > 0; ++i) {
    passed += weights[i] / total * static_cast<double>(count);
    while (std::ssize(out) < count && static_cast<double>(out.size()) + start < passed)
      out.push_back(static_cast<int64_t>(i));
  }
  while (std::ssize(out) < count) out.push_back(std::ssize(weights) - 1);  // rounding
  random.shuffle(out);
  return out;
}

}  // namespace hadal
