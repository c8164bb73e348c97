// Curves as a picture: a forecast beside its history.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "hadal/io/draw.h"

namespace hadal {

struct PlotLine {
  std::string name;
  std::vector<std::pair<double, double>> points;
  Colour colour;
};
/// The area between two curves over the same x.
struct PlotBand {
  std::string name;
  std::vector<double> x, low, high;
  Colour colour;
};

struct Plot {
  std::string title;
  std::vector<PlotBand> bands;  // behind the lines
  std::vector<PlotLine> lines;
  std::vector<std::pair<double, std::string>> marks;  // words below the x axis; the axis has no numbers of its own
};

/// uint8 (height, width, 3). Values that are not finite leave a gap. Throws UsageError where there is nothing to draw.
Tensor draw_plot(const Plot& plot, int64_t width = 960, int64_t height = 320);

}  // namespace hadal
