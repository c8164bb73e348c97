#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "hadal/core/error.h"
#include "hadal/core/format.h"
#include "hadal/io/plot.h"

namespace hadal {
namespace {

const cv::Scalar kInk(60, 60, 60), kGrid(225, 225, 225);
constexpr double kText = 0.42;  // of Hershey's size

cv::Scalar scalar(Colour colour) { return {double(colour.red), double(colour.green), double(colour.blue)}; }

struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double value) {
    if (std::isfinite(value)) low = std::min(low, value), high = std::max(high, value);
  }
  double share(double value) const { return (value - low) / std::max(high - low, 1e-300); }
};

int width_of(const std::string& text) {
  int below = 0;
  return cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, kText, 1, &below).width;
}

class Canvas {
 public:
  Canvas(const Plot& plot, int64_t width, int64_t height)
      : pixels_(torch::full({height, width, 3}, 255, torch::kUInt8)),
        image_(static_cast<int>(height), static_cast<int>(width), CV_8UC3, pixels_.data_ptr<uint8_t>()) {
    for (const auto& line : plot.lines)
      for (const auto& [x, y] : line.points) x_.add(x), y_.add(y);
    for (const auto& band : plot.bands)
      for (size_t i = 0; i < band.x.size(); ++i) x_.add(band.x[i]), y_.add(band.low[i]), y_.add(band.high[i]);
    require(x_.low <= x_.high && y_.low <= y_.high, "[plot] \"{}\" has no point to draw", plot.title);
    if (y_.low == y_.high) y_.low -= 1, y_.high += 1;
    const auto room = 0.05 * (y_.high - y_.low);
    y_.low -= room, y_.high += room;
    const auto step = tick_step(y_.high - y_.low, 4);
    int widest = 48;
    for (auto y = std::ceil(y_.low / step) * step; y <= y_.high && ticks_.size() < 20; y += step) {
      ticks_.emplace_back(y, format_tick(y, step));
      widest = std::max(widest, width_of(ticks_.back().second));
    }
    const auto left = std::min(widest + 16, static_cast<int>(width) / 2);
    frame_ = {left, 34, static_cast<int>(width) - left - 14, static_cast<int>(height) - 62};
  }

  cv::Point at(double x, double y) const {
    return {frame_.x + static_cast<int>(std::lround(x_.share(x) * frame_.width)),
            frame_.y + static_cast<int>(std::lround((1 - y_.share(y)) * frame_.height))};
  }
  void words(const std::string& text, cv::Point place, const cv::Scalar& ink = kInk) {
    cv::putText(image_, drawable(text), place, cv::FONT_HERSHEY_SIMPLEX, kText, ink, 1, cv::LINE_AA);
  }

  void axes(const Plot& plot) {
    for (const auto& [y, text] : ticks_) {
      const auto place = at(x_.low, y);
      cv::line(image_, place, at(x_.high, y), kGrid);
      words(text, {6, place.y + 4});
    }
    for (const auto& [x, text] : plot.marks) {
      const auto place = at(x, y_.low);
      cv::line(image_, place, at(x, y_.high), kGrid);
      const auto width = width_of(text);
      words(text, {std::clamp(place.x - width / 2, 2, image_.cols - width - 2), place.y + 18});
    }
    cv::rectangle(image_, frame_, cv::Scalar(170, 170, 170));
  }

  void band(const PlotBand& band) {
    std::vector<cv::Point> outline;
    for (size_t i = 0; i < band.x.size(); ++i)
      if (std::isfinite(band.high[i])) outline.push_back(at(band.x[i], band.high[i]));
    for (size_t i = band.x.size(); i-- > 0;)
      if (std::isfinite(band.low[i])) outline.push_back(at(band.x[i], band.low[i]));
    if (outline.empty()) return;
    cv::Mat filled = image_.clone();
    cv::fillPoly(filled, std::vector<std::vector<cv::Point>>{outline}, scalar(band.colour));
    cv::addWeighted(filled, 0.3, image_, 0.7, 0, image_);
  }

  void line(const PlotLine& line) {
    for (size_t i = 1; i < line.points.size(); ++i) {
      const auto &a = line.points[i - 1], &b = line.points[i];
      if (std::isfinite(a.second) && std::isfinite(b.second))
        cv::line(image_, at(a.first, a.second), at(b.first, b.second), scalar(line.colour), 1, cv::LINE_AA);
    }
  }

  void legend(const Plot& plot) {
    words(plot.title, {frame_.x, 22});
    auto x = image_.cols - 14;
    const auto entry = [&](const std::string& name, Colour colour) {
      x -= width_of(name);
      words(name, {x, 22});
      cv::line(image_, {x - 22, 18}, {x - 6, 18}, scalar(colour), 3);
      x -= 36;
    };
    for (auto it = plot.lines.rbegin(); it != plot.lines.rend(); ++it) entry(it->name, it->colour);
    for (const auto& band : plot.bands) entry(band.name, band.colour);
  }

  const Tensor& pixels() const { return pixels_; }

 private:
  Tensor pixels_;
  cv::Mat image_;
  Range x_, y_;
  std::vector<std::pair<double, std::string>> ticks_;  // of y
  cv::Rect frame_;
};

}  // namespace

Tensor draw_plot(const Plot& plot, int64_t width, int64_t height) {
  require(width >= 200 && height >= 120, "[plot] {} x {} is too small; 200 x 120 is the least", width, height);
  Canvas canvas(plot, width, height);
  canvas.axes(plot);
  for (const auto& band : plot.bands) canvas.band(band);
  for (const auto& line : plot.lines) canvas.line(line);
  canvas.legend(plot);
  return canvas.pixels();
}

}  // namespace hadal
