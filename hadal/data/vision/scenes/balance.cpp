// Classes that come far apart: counts, weights for losses, and how often to draw a picture.
#include <algorithm>
#include <cmath>

#include "hadal/core/error.h"
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
  weights = weights * n.sum() / (weights * n).sum();
  return torch::where(there, weights, torch::ones_like(weights)).to(torch::kFloat32);
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

}  // namespace hadal
