// The pieces that report.cpp puts together; each function returns HTML.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hadal/report/report.h"
#include "hadal/tasks/figure.h"

namespace hadal::report {

/// Text that is safe between tags and in quoted attributes.
std::string escape(std::string_view text);

struct Series {
  std::string name, color;  // a CSS colour
  std::vector<std::pair<double, double>> points;
  std::optional<std::pair<double, double>> mark;  // a point to stand out: the best
};
struct Chart {
  std::string title, x_label;
  std::vector<Series> series;
  std::string y_label;  // where the title does not say it
};

/// Curves as SVG that stretches to its place, with labels in HTML so that they keep their size; a logarithmic view to
/// choose where all values are positive and far apart.
std::string draw(const Chart& chart);
/// Train and val of a metric in one chart, over epochs (over steps in runs of less than two epochs).
std::vector<Chart> charts_of(const std::vector<Row>& rows, const std::string& goal, bool higher_is_better);
Chart chart_of(const CurveFigure& figure);

std::string draw(const PictureGrid& grid, const std::function<std::string(const Tensor&)>& encode_png);
/// A coloured table; above 30 classes the most confused pairs and the hardest classes instead.
std::string draw(const MatrixFigure& figure);
/// Texts as they are, one below the other.
std::string draw(const TextFigure& figure);

/// Waves above players; `encode_wav` is ReportInput's.
std::string draw(const SoundFigure& figure, const std::function<std::string(const Tensor&, int64_t)>& encode_wav);

extern const char* const kStyle;
extern const char* const kScript;

}  // namespace hadal::report
