#include "hadal/models/detection/anchors.h"

namespace hadal {

Fields<AnchorConfig> AnchorConfig::fields() {
  using C = AnchorConfig;
  return {{"sizes", &C::sizes, "sides of anchors in pixels, from the finest level on", at_least(1)},
          {"ratios", &C::ratios, "height / width of anchors", above(0)},
          {"sizes_everywhere", &C::sizes_everywhere, "every level has all sizes, instead of its share of them"}};
}

void AnchorConfig::validate() const {
  require(!sizes.empty() && !ratios.empty(), "[anchors] sizes and ratios want at least one entry each");
}

Anchors::Anchors(const AnchorConfig& config, size_t levels) {
  config.validate();
  const auto count = config.sizes.size();
  require(config.sizes_everywhere || count % levels == 0,
          "[anchors] sizes ({}) must share out among the pyramid's {} levels; as many as levels, or sizes_everywhere",
          count, levels);
  const auto each = static_cast<int64_t>(config.sizes_everywhere ? count : count / levels);
  const auto sizes = torch::tensor(config.sizes, torch::kFloat32);
  const auto high = torch::tensor(config.ratios, torch::kFloat64).to(torch::kFloat32).sqrt().unsqueeze(1);
  for (size_t i = 0; i < levels; ++i) {
    const auto first = config.sizes_everywhere ? 0 : static_cast<int64_t>(i) * each;
    const auto here = sizes.slice(0, first, first + each);
    const auto width = ((1 / high) * here).flatten(), height = (high * here).flatten();
    cells_.push_back((torch::stack({-width, -height, width, height}, 1) / 2).round());
  }
  per_place_ = cells_.front().size(0);
}

std::vector<Tensor> Anchors::on(const std::vector<Tensor>& features, int64_t height, int64_t width) const {
  if (features.size() != cells_.size()) fail("[anchors] want {} levels, got {}", cells_.size(), features.size());
  std::vector<Tensor> out;
  for (size_t i = 0; i < features.size(); ++i) {
    const auto &level = features[i], cells = cells_[i].to(level.options());
    const auto rows = level.size(-2), columns = level.size(-1);
    const auto y = torch::arange(rows, level.options()) * (height / rows);
    const auto x = torch::arange(columns, level.options()) * (width / columns);
    const auto grid = torch::meshgrid({y, x}, "ij");
    const auto places = torch::stack({grid[1], grid[0], grid[1], grid[0]}, -1).view({-1, 1, 4});
    out.push_back((places + cells).view({-1, 4}));
  }
  return out;
}

}  // namespace hadal
