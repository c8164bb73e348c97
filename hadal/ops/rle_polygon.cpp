#include <algorithm>
#include <cmath>

#include "hadal/core/error.h"
#include "hadal/ops/rle.h"

namespace hadal {
namespace {

constexpr int64_t kScale = 5;  // the grid on which edges are drawn is that much finer than the picture
constexpr double kFarthest = 1e8;

struct Point {
  int64_t x, y;
};

// Of a line from `from`, which rises by `slope` a step, the place at `step`; truncated, as the reference does it.
int64_t along(int64_t from, double slope, int64_t step) {
  return static_cast<int64_t>(static_cast<double>(from) + slope * static_cast<double>(step) + .5);
}

// Collects where the outline crosses the middle of a pixel's column: the places, down the columns, at which the mask
// begins or ends. The reference walks over all points of the fine grid; only steps from 5n + 2 to 5n + 3 count, and
// those are found here at once, so that the time depends on the columns that an edge crosses, not on its length.
class Crossings {
 public:
  Crossings(int64_t height, int64_t width) : height_(height), width_(width) {}

  void edge(Point a, Point b) {
    const auto dx = std::abs(b.x - a.x), dy = std::abs(b.y - a.y);
    if (dx == 0) return;
    const bool flat = dx >= dy;
    if (flat ? a.x > b.x : a.y > b.y) std::swap(a, b);
    flat ? flat_edge(a, b, dx) : steep_edge(a, b, dy);
  }
  std::vector<uint32_t>& places() { return places_; }

 private:
  // Columns n whose middle lies in [left, right - 1] on the fine grid.
  std::pair<int64_t, int64_t> columns(int64_t left, int64_t right) const {
    const auto first = left <= 2 ? 0 : (left - 2 + kScale - 1) / kScale;
    const auto last = right - 1 < 2 ? -1 : (right - 1 - 2) / kScale;
    return {first, std::min(last, width_ - 1)};
  }
  void cross(int64_t column, int64_t y) {
    auto place = (static_cast<double>(y) + .5) / static_cast<double>(kScale) - .5;
    place = std::ceil(std::clamp(place, 0.0, static_cast<double>(height_)));
    places_.push_back(static_cast<uint32_t>(column * height_ + static_cast<int64_t>(place)));
  }
  void flat_edge(Point a, Point b, int64_t steps) {
    const auto slope = static_cast<double>(b.y - a.y) / static_cast<double>(steps);
    const auto [first, last] = columns(a.x, b.x);
    for (auto n = first; n <= last; ++n) {
      const auto step = kScale * n + 2 - a.x;
      cross(n, std::min(along(a.y, slope, step), along(a.y, slope, step + 1)));
    }
  }
  void steep_edge(Point a, Point b, int64_t steps) {
    const auto slope = static_cast<double>(b.x - a.x) / static_cast<double>(steps);
    const bool right = slope > 0;
    const auto [first, last] = columns(std::min(a.x, b.x), std::max(a.x, b.x));
    for (auto n = first; n <= last; ++n) {
      const auto beyond = [&](int64_t step) {  // past the change, in the direction of the edge
        const auto x = along(a.x, slope, step);
        return right ? x >= kScale * n + 3 : x <= kScale * n + 2;
      };
      const auto guess = (static_cast<double>(kScale * n + 3 - a.x) - .5) / slope;
      auto step = std::clamp(static_cast<int64_t>(guess), int64_t{1}, steps);
      while (step > 1 && beyond(step - 1)) --step;
      while (step < steps && !beyond(step)) ++step;
      if (beyond(step) && !beyond(step - 1)) cross(n, a.y + step - 1);
    }
  }

  int64_t height_, width_;
  std::vector<uint32_t> places_;
};

}  // namespace

Rle rle_from_polygon(std::span<const double> corners, int64_t height, int64_t width, std::string_view name) {
  check_rle_size(height, width, name);
  if (corners.size() % 2 != 0) fail("{}: a polygon is x, y pairs, got {} numbers", name, corners.size());
  if (corners.size() < 6) fail("{}: a polygon needs at least three corners, got {}", name, corners.size() / 2);
  std::vector<Point> points;
  points.reserve(corners.size() / 2 + 1);
  for (size_t i = 0; i < corners.size(); i += 2) {
    for (const auto value : {corners[i], corners[i + 1]})
      if (!(std::abs(value) <= kFarthest)) fail("{}: a polygon has a corner at {}", name, value);
    points.push_back({static_cast<int64_t>(static_cast<double>(kScale) * corners[i] + .5),
                      static_cast<int64_t>(static_cast<double>(kScale) * corners[i + 1] + .5)});
  }
  points.push_back(points.front());
  Crossings crossings(height, width);
  for (size_t i = 0; i + 1 < points.size(); ++i) crossings.edge(points[i], points[i + 1]);
  auto& places = crossings.places();
  places.push_back(static_cast<uint32_t>(height * width));
  std::sort(places.begin(), places.end());
  // Two crossings at one place cancel out: the run before them goes on behind them.
  Rle out{height, width, {}};
  uint32_t before = 0;
  for (size_t i = 0; i < places.size(); ++i) {
    auto run = places[i] - before;
    before = places[i];
    if (run > 0 || i == 0) {
      out.counts.push_back(run);
    } else if (++i < places.size()) {
      out.counts.back() += places[i] - before;
      before = places[i];
    }
  }
  return out;
}

Rle rle_from_polygons(const std::vector<std::vector<double>>& polygons, int64_t height, int64_t width,
                      std::string_view name) {
  check_rle_size(height, width, name);
  if (polygons.empty()) return {height, width, {static_cast<uint32_t>(height * width)}};
  std::vector<Rle> parts;
  for (const auto& polygon : polygons) parts.push_back(rle_from_polygon(polygon, height, width, name));
  return rle_merge(parts);
}

Rle rle_from_box(const std::array<double, 4>& box, int64_t height, int64_t width, std::string_view name) {
  const auto left = box[0], top = box[1], right = box[0] + box[2], bottom = box[1] + box[3];
  return rle_from_polygon(std::array{left, top, left, bottom, right, bottom, right, top}, height, width, name);
}

std::vector<std::vector<double>> rle_to_polygons(const Rle& rle) {
  const auto box = rle_box(rle);
  const auto left = static_cast<int64_t>(box[0]), top = static_cast<int64_t>(box[1]);
  const auto width = static_cast<int64_t>(box[2]), height = static_cast<int64_t>(box[3]);
  if (width == 0) return {};
  std::vector<uint8_t> inside(static_cast<size_t>(width * height));  // of the box alone, column by column
  int64_t at = 0;
  for (size_t i = 0; i < rle.counts.size(); at += rle.counts[i++])
    for (auto place = at; i % 2 == 1 && place < at + rle.counts[i];) {  // a column's part of the run at a time
      const auto column = place / rle.height, end = std::min((column + 1) * rle.height, at + rle.counts[i]);
      std::fill_n(&inside[static_cast<size_t>((column - left) * height + place % rle.height - top)], end - place, 1);
      place = end;
    }
  const auto in = [&](int64_t x, int64_t y) {
    return x >= 0 && y >= 0 && x < width && y < height && inside[static_cast<size_t>(x * height + y)];
  };
  // Around a piece with the mask on the right hand: along the tops of pixels to the right, down their right sides, ...
  // A contour begins on a top; those that are passed are ticked off. Where two pieces touch at a corner, turning right
  // stays with the piece.
  constexpr int64_t kStepX[] = {1, 0, -1, 0}, kStepY[] = {0, 1, 0, -1};
  constexpr int64_t kRightX[] = {0, -1, -1, 0}, kRightY[] = {0, 0, -1, -1};  // the pixel on the right of the edge ahead
  const auto edge = [&](int64_t x, int64_t y, int way) {
    return in(x + kRightX[way], y + kRightY[way]) && !in(x + kRightX[(way + 3) % 4], y + kRightY[(way + 3) % 4]);
  };
  std::vector<uint8_t> passed(inside.size());
  std::vector<std::vector<double>> out;
  for (int64_t x = 0; x < width; ++x)
    for (int64_t y = 0; y < height; ++y) {
      if (!edge(x, y, 0) || passed[static_cast<size_t>(x * height + y)]) continue;
      std::vector<double> corners;
      double area = 0;  // twice the signed area: positive for outer contours, negative around holes
      auto px = x, py = y;
      int way = 0, came = -1;
      do {
        if (way == 0) passed[static_cast<size_t>(px * height + py)] = 1;
        if (way != came) corners.insert(corners.end(), {static_cast<double>(px + left), static_cast<double>(py + top)});
        area += static_cast<double>(px * kStepY[way] - py * kStepX[way]);
        px += kStepX[way], py += kStepY[way];
        came = way;
        way = edge(px, py, (way + 1) % 4) ? (way + 1) % 4 : edge(px, py, way) ? way : (way + 3) % 4;
      } while (px != x || py != y || way != 0);
      if (area > 0) out.push_back(std::move(corners));
    }
  return out;
}

}  // namespace hadal
