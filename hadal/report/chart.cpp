#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>

#include <nlohmann/json.hpp>

#include "hadal/core/format.h"
#include "hadal/report/parts.h"

namespace hadal::report {
namespace {

using Point = std::pair<double, double>;

/// Whether it can be drawn: differences of larger numbers would overflow.
bool finite(const Point& p) { return std::abs(p.first) <= 1e300 && std::abs(p.second) <= 1e300; }

/// An axis maps values to 0 ... 1000.
struct Axis {
  double low = 0, high = 1;
  bool log = false;

  double scaled(double value) const { return log ? std::log10(value) : value; }
  double at(double value) const {
    const auto from = scaled(low), to = scaled(high);
    return 1000 * (scaled(value) - from) / (to - from);
  }
};

struct Tick {
  double value;
  std::string text;
};

std::vector<Tick> linear_ticks(const Axis& axis, int wanted, double least_step) {
  const auto step = std::max(tick_step(axis.high - axis.low, wanted), least_step);
  std::vector<Tick> ticks;
  const auto first = std::ceil(axis.low / step - 1e-9);
  for (int i = 0; i < 20 && (first + i) * step <= axis.high + 1e-9 * step; ++i)
    ticks.push_back({(first + i) * step, format_tick((first + i) * step, step)});
  return ticks;
}

std::vector<Tick> log_ticks(const Axis& axis) {
  const auto decades = std::log10(axis.high) - std::log10(axis.low);
  const auto every = std::max(1, static_cast<int>(std::ceil(decades / 6)));
  std::vector<Tick> ticks;
  for (int power = static_cast<int>(std::floor(std::log10(axis.low))); power <= std::log10(axis.high); power += every)
    for (const int factor : {1, 2, 5}) {
      const auto value = factor * std::pow(10, power);
      if (value < axis.low || value > axis.high || (factor > 1 && decades > 2.5)) continue;
      ticks.push_back({value, fmt::format("{:g}", value)});
    }
  return ticks;
}

/// Keeps the lowest and highest point of each of `buckets` stretches, so that no spike gets lost.
std::vector<Point> thinned(const std::vector<Point>& points, size_t buckets) {
  if (points.size() <= 2 * buckets) return points;
  std::vector<Point> out;
  for (size_t bucket = 0; bucket < buckets; ++bucket) {
    const auto first = points.begin() + static_cast<int64_t>(bucket * points.size() / buckets);
    const auto last = points.begin() + static_cast<int64_t>((bucket + 1) * points.size() / buckets);
    // A value that is not finite must stay too: it breaks the line.
    if (const auto gap = std::find_if_not(first, last, finite); gap != last) out.push_back(*gap);
    const auto below = [](const Point& a, const Point& b) { return finite(a) && (!finite(b) || a.second < b.second); };
    const auto above = [](const Point& a, const Point& b) { return finite(a) && (!finite(b) || a.second > b.second); };
    auto low = std::min_element(first, last, below), high = std::min_element(first, last, above);
    if (low > high) std::swap(low, high);
    if (finite(*low)) out.push_back(*low);
    if (high != low && finite(*high)) out.push_back(*high);
  }
  std::stable_sort(out.begin(), out.end(), [](const Point& a, const Point& b) { return a.first < b.first; });
  return out;
}

/// SVG paths: a line through neighbours, a dot where a point has none.
std::string paths(const Series& series, size_t index, const Axis& x, const Axis& y) {
  std::string line, dots;
  const auto place = [&](const Point& p) { return fmt::format("{:.4g} {:.4g}", x.at(p.first), 1000 - y.at(p.second)); };
  const auto& points = series.points;
  for (size_t i = 0; i < points.size(); ++i) {
    if (!finite(points[i]) || (y.log && points[i].second <= 0)) continue;
    const bool before = i > 0 && finite(points[i - 1]), after = i + 1 < points.size() && finite(points[i + 1]);
    line += (before ? "L" : "M") + place(points[i]);
    if ((!before && !after) || points.size() <= 12) dots += "M" + place(points[i]) + "h0";
  }
  auto out = fmt::format("<g class=\"s{}\" style=\"--s:{}\"><path class=line d=\"{}\"/>", index, series.color, line);
  if (!dots.empty()) out += fmt::format("<path class=dots d=\"{}\"/>", dots);
  if (series.mark && finite(*series.mark) && (!y.log || series.mark->second > 0))
    out += fmt::format("<path class=mark d=\"M{}h0\"/>", place(*series.mark));
  return out + "</g>";
}

std::string view(const Chart& chart, const Axis& x, const Axis& y, const char* name) {
  const auto ticks = y.log ? log_ticks(y) : linear_ticks(y, 5, 0);
  std::string grid, labels, curves;
  for (const auto& tick : ticks) {
    const auto at = 1000 - y.at(tick.value);
    grid += fmt::format("M0 {:.4g}h1000", at);
    labels += fmt::format("<span class=\"tick y\" style=\"top:{:.4g}%\">{}</span>", at / 10, tick.text);
  }
  for (size_t i = 0; i < chart.series.size(); ++i) curves += paths(chart.series[i], i, x, y);
  return fmt::format(
      "<div class=\"view {}\"><svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=none aria-hidden=true><path "
      "class=grid "
      "d=\"{}\"/>{}</svg>{}</div>",
      name, grid, curves, labels);
}

/// The values under the pointer, for the script.
std::string pointer_data(const Chart& chart, const Axis& x) {
  nlohmann::ordered_json data{{"label", chart.x_label}, {"low", x.low}, {"high", x.high}};
  data["series"] = nlohmann::ordered_json::array();
  for (const auto& series : chart.series) {
    auto xs = nlohmann::ordered_json::array(), ys = xs;
    // Six digits are more than anyone reads off a curve.
    const auto number = [](double value) -> nlohmann::ordered_json {
      if (!std::isfinite(value)) return nullptr;
      return std::strtod(fmt::format("{:.6g}", value).c_str(), nullptr);  // stod refuses the smallest ones
    };
    for (const auto& [a, b] : series.points)
      if (std::isfinite(a)) xs.push_back(number(a)), ys.push_back(number(b));
    data["series"].push_back({{"name", series.name}, {"color", series.color}, {"x", xs}, {"y", ys}});
  }
  auto text = data.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
  // Text of ours must not end the script element.
  for (auto at = text.find('<'); at != text.npos; at = text.find('<', at)) text.replace(at, 1, "\\u003c");
  return text;
}

const Point* last_point(const Series& series) { return series.points.empty() ? nullptr : &series.points.back(); }

std::string legend(const Chart& chart) {
  std::string out = "<div class=legends>";
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const auto& series = chart.series[i];
    const auto* last = last_point(series);
    out += fmt::format(
        "<label class=legend style=\"--s:{}\"><input type=checkbox checked class=\"t{}\"><s></s>{} "
        "<em>{}</em>{}</label>",
        series.color, i, escape(series.name), last ? format_value(last->second) : "no values",
        series.mark ? fmt::format(" best <em>{}</em>", format_value(series.mark->second)) : "");
  }
  return out + "</div>";
}

const char* series_color(const std::string& name, size_t index) {
  if (name == "train") return "var(--train)";
  if (name == "val") return "var(--val)";
  if (name == "test") return "var(--test)";
  static const std::array others = {"var(--train)", "var(--val)", "var(--test)", "var(--c3)",
                                    "var(--c4)",    "var(--c5)",  "var(--c6)",   "var(--c7)"};
  return others[index % others.size()];
}

/// The range of all finite values on one axis; false where there are none.
template <class Get>
bool range(const Chart& chart, const Get& get, double& low, double& high) {
  low = std::numeric_limits<double>::infinity(), high = -low;
  for (const auto& series : chart.series)
    for (const auto& point : series.points)
      if (finite(point)) low = std::min(low, get(point)), high = std::max(high, get(point));
  return low <= high;
}

}  // namespace

std::string draw(const Chart& whole) {
  auto chart = whole;
  for (auto& series : chart.series) series.points = thinned(series.points, 300);
  auto out = fmt::format("<figure class=\"card chart\"><figcaption><b>{}</b>", escape(chart.title));
  Axis x, y;
  if (!range(
          chart, [](const Point& p) { return p.first; }, x.low, x.high) ||
      !range(chart, [](const Point& p) { return p.second; }, y.low, y.high))
    return out + "</figcaption><p class=key>No finite values.</p></figure>";
  if (x.low == x.high) x.low -= 0.5, x.high += 0.5;
  const bool integer_x = chart.x_label == "epoch" || chart.x_label == "step";
  const Axis log{y.low / 1.1, y.high * 1.1, true};
  const bool far_apart = y.low > 0 && y.high / y.low > 20;
  // Zero belongs on an axis whose values come near it; otherwise the differences fill the height.
  const auto alone = y.high == 0 ? 1 : 0.5 * std::abs(y.high);
  const auto margin = y.high > y.low ? 0.04 * (y.high - y.low) : alone;
  const bool from_zero = y.low >= 0 && (y.high == 0 || y.low < 0.35 * y.high);
  y.low = from_zero ? 0 : y.low - margin, y.high += margin;
  if (far_apart)
    out += fmt::format(
        "<span class=scale><label><input type=radio name=\"{0}\" class=linear checked>linear</label><label><input "
        "type=radio name=\"{0}\" class=log>log</label></span>",
        escape("scale " + chart.title));
  out += "</figcaption>" + legend(chart);
  if (!chart.y_label.empty()) out += fmt::format("<div class=key>{}</div>", escape(chart.y_label));
  out += "<div class=plot>" + view(chart, x, y, "linear");
  if (far_apart) out += view(chart, x, log, "log");
  for (const auto& tick : linear_ticks(x, 6, integer_x ? 1 : 0))
    out += fmt::format("<span class=\"tick x\" style=\"left:{:.4g}%\">{}</span>", x.at(tick.value) / 10, tick.text);
  out += fmt::format("</div><div class=axis>{}</div><script type=\"application/json\">{}</script></figure>",
                     escape(chart.x_label), pointer_data(chart, x));
  return out;
}

std::vector<Chart> charts_of(const std::vector<Row>& rows, const std::string& goal, bool higher_is_better) {
  std::vector<Chart> charts, alone;
  const bool by_epoch = !rows.empty() && rows.back().epoch >= 2;
  for (const auto& key : columns_of(rows)) {
    const auto slash = key.find('/');
    const auto split = slash == key.npos ? key : key.substr(0, slash);
    const auto metric = slash == key.npos ? key : key.substr(slash + 1);
    auto& group = slash == key.npos ? alone : charts;
    auto chart = std::find_if(group.begin(), group.end(), [&](const Chart& c) { return c.title == metric; });
    if (chart == group.end()) chart = group.insert(group.end(), {metric, by_epoch ? "epoch" : "step", {}, ""});
    Series series{split, slash == key.npos ? "var(--c3)" : series_color(split, 3 + chart->series.size()), {}, {}};
    for (const auto& row : rows)
      if (const auto* value = find_value(row.values, key))
        series.points.emplace_back(by_epoch ? row.epoch : static_cast<double>(row.step), *value);
    if (const auto* best = key == goal ? best_row(rows, key, higher_is_better) : nullptr)
      series.mark = {by_epoch ? best->epoch : static_cast<double>(best->step), *find_value(best->values, key)};
    chart->series.push_back(std::move(series));
  }
  charts.insert(charts.end(), alone.begin(), alone.end());
  return charts;
}

Chart chart_of(const CurveFigure& figure) {
  Chart chart{figure.title, figure.x_label, {}, figure.y_label};
  for (const auto& series : figure.series)
    chart.series.push_back({series.name, series_color(series.name, chart.series.size()), series.points, {}});
  return chart;
}

}  // namespace hadal::report
