#include "hadal/report/schedule_curve.h"

#include <algorithm>
#include <cmath>

#include "hadal/core/format.h"

namespace hadal {

std::vector<CurveFigure> schedule_curves(const Schedule& schedule, double lr, int64_t steps) {
  if (!schedule.plateaus.empty()) return {};
  // Enough points that thinning for the screen, not this, decides what is seen.
  const auto stride = std::max<int64_t>(1, steps / 20000);
  CurveFigure::Series rate{"lr", {}}, momentum{"momentum", {}};
  for (int64_t step = 0; step < steps; step += stride) {
    const auto rates = schedule(step);
    const auto x = static_cast<double>(step + 1);
    rate.points.emplace_back(x, lr * rates.lr_factor);
    if (rates.momentum) momentum.points.emplace_back(x, *rates.momentum);
  }
  std::vector<CurveFigure> curves = {{"learning rate", "step", "", {std::move(rate)}}};
  if (!momentum.points.empty()) curves.push_back({"momentum (beta1)", "step", "", {std::move(momentum)}});
  return curves;
}

std::string text_curve(const CurveFigure& curve, size_t width, size_t rows, bool unicode) {
  const auto& points = curve.series.at(0).points;
  if (points.empty() || width == 0 || rows == 0) return "";
  static constexpr const char* kBlocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static constexpr const char* kLetters[] = {" ", ".", ".", ".", ":", ":", ":", "#", "#"};
  const auto* marks = unicode ? kBlocks : kLetters;
  const auto below = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto high = std::max_element(points.begin(), points.end(), below)->second;
  const auto least = std::min_element(points.begin(), points.end(), below)->second;
  const auto low = least < 0.35 * high ? 0 : least;  // as the report's axes
  std::vector<int64_t> heights;                      // in eighths of a line
  for (size_t column = 0; column < width; ++column) {
    const auto& value = points[width == 1 ? 0 : column * (points.size() - 1) / (width - 1)].second;
    const auto share = high > low ? (value - low) / (high - low) : 0.5;
    heights.push_back(std::max<int64_t>(1, std::llround(share * 8 * static_cast<double>(rows))));
  }
  const auto top = format_value(high), bottom = format_value(low);
  const auto label_width = std::max(top.size(), bottom.size());
  std::string out;
  for (size_t row = 0; row < rows; ++row) {
    const auto& label = row == 0 ? top : row + 1 == rows ? bottom : "";
    std::string line;
    for (const auto height : heights)
      line += marks[std::clamp<int64_t>(height - 8 * static_cast<int64_t>(rows - 1 - row), 0, 8)];
    line.erase(line.find_last_not_of(' ') + 1);
    out += fmt::format("{:>{}} {}{}\n", label, label_width, unicode ? "│" : "|", line);
  }
  return out;
}

}  // namespace hadal
