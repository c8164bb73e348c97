// report.html: a run on one page that opens offline, in any browser, on a phone too, light or dark, without JavaScript
// (which only adds the values under the pointer).
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "hadal/metrics/metrics.h"
#include "hadal/report/history.h"
#include "hadal/tasks/figure.h"

namespace hadal {

struct ReportInput {
  std::string title;  // the recipe's name
  std::string about;  // a sentence
  std::string goal;   // the score that picks the best weights: "val/accuracy"; may be empty
  bool higher_is_better = true;
  std::vector<std::pair<std::string, std::string>> facts;  // "Model", "vit, 812,345 parameters"; "Data", ...
  std::vector<Row> rows;
  std::vector<CurveFigure> schedule;  // the rates of the whole run
  Metrics best, last;
  std::vector<Figure> figures;
  std::string config;                // config.toml
  std::vector<std::string> machine;  // lines
  /// The bytes of a PNG file for (H, W, C) uint8, C 1 or 3. Without it pictures are left out.
  std::function<std::string(const Tensor&)> encode_png;
  /// The bytes of a WAV file for samples (T) at a rate. Without it sounds are left out.
  std::function<std::string(const Tensor&, int64_t)> encode_wav;
};

/// The page. Throws Error when a figure is not what figure.h says.
std::string make_report(const ReportInput& input);

}  // namespace hadal
