#include "hadal/data/vision/shapes_outline.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hadal::drawing {
namespace {

// Signed distances of points (p, q) to each kind of unit radius. Near corners some are bounds of the distance, which
// only rounds the antialiasing there.

void circle_row(const float* p, const float* q, int64_t n, float* d) {
  for (int64_t i = 0; i < n; ++i) d[i] = std::sqrt(p[i] * p[i] + q[i] * q[i]) - 1;
}

void square_row(const float* p, const float* q, int64_t n, float* d) {
  for (int64_t i = 0; i < n; ++i) d[i] = std::max(std::abs(p[i]), std::abs(q[i])) - 0.7071f;
}

void triangle_row(const float* p, const float* q, int64_t n, float* d) {
  for (int64_t i = 0; i < n; ++i) d[i] = std::max(-q[i], 0.8660f * std::abs(p[i]) + 0.5f * q[i]) - 0.5f;
}

void hexagon_row(const float* p, const float* q, int64_t n, float* d) {
  for (int64_t i = 0; i < n; ++i) {
    const float side = std::abs(p[i]);
    d[i] = std::max(side, 0.5f * side + 0.8660f * std::abs(q[i])) - 0.8660f;
  }
}

/// Folds the plane by the star's mirrors until every arm lies on the one that points up; there its edge is a single
/// line, from the tip (0, 1) to the notch at 36 degrees and radius 0.45.
void star_row(const float* p, const float* q, int64_t n, float* d) {
  const float s36 = std::sin(std::numbers::pi_v<float> / 5), c36 = std::cos(std::numbers::pi_v<float> / 5);
  const float nx = 1 - 0.45f * c36, ny = 0.45f * s36, length = std::sqrt(nx * nx + ny * ny);
  for (int64_t i = 0; i < n; ++i) {
    float x = std::abs(p[i]), y = q[i];
    for (int fold = 0; fold < 2; ++fold) {
      const float beyond = std::max(0.f, x * c36 - y * s36);  // over the mirror at 36 degrees from the head
      x = std::abs(x - 2 * beyond * c36);
      y += 2 * beyond * s36;
    }
    d[i] = (x * nx + (y - 1) * ny) / length;
  }
}

void cross_row(const float* p, const float* q, int64_t n, float* d) {
  constexpr float kLong = 0.95f, kWide = 0.3f;
  for (int64_t i = 0; i < n; ++i) {
    const float x = std::abs(p[i]), y = std::abs(q[i]);
    d[i] = std::min(std::max(x - kLong, y - kWide), std::max(x - kWide, y - kLong));
  }
}

void ring_row(const float* p, const float* q, int64_t n, float* d) {
  for (int64_t i = 0; i < n; ++i) d[i] = std::abs(std::sqrt(p[i] * p[i] + q[i] * q[i]) - 0.75f) - 0.25f;
}

void crescent_row(const float* p, const float* q, int64_t n, float* d) {
  for (int64_t i = 0; i < n; ++i) {
    const float x = p[i] - 0.45f;
    d[i] = std::max(std::sqrt(p[i] * p[i] + q[i] * q[i]) - 1, 0.8f - std::sqrt(x * x + q[i] * q[i]));
  }
}

constexpr void (*kRows[])(const float*, const float*, int64_t, float*) = {
    circle_row, square_row, triangle_row, star_row, cross_row, ring_row, crescent_row, hexagon_row};

}  // namespace

const std::vector<std::string>& kind_names() {
  static const std::vector<std::string> names = {"circle", "square", "triangle", "star",
                                                 "cross",  "ring",   "crescent", "hexagon"};
  return names;
}

std::array<float, 2> Shape::at(float right, float head) const {
  const float c = std::cos(angle), s = std::sin(angle);
  return {x + radius * (right * c + head * s), y + radius * (right * s - head * c)};
}

Outline trace(const Shape& shape, int64_t size) {
  const auto inside = [&](float v) { return std::clamp<int64_t>(static_cast<int64_t>(std::floor(v)), 0, size); };
  Outline out{inside(shape.x - shape.radius - 1), inside(shape.y - shape.radius - 1)};
  out.width = inside(shape.x + shape.radius + 2) - out.left;
  out.height = inside(shape.y + shape.radius + 2) - out.top;
  out.distance.resize(out.width * out.height);
  const float c = std::cos(shape.angle) / shape.radius, s = std::sin(shape.angle) / shape.radius;
  std::vector<float> p(out.width), q(out.width);
  for (int64_t y = 0; y < out.height; ++y) {
    const float dx = static_cast<float>(out.left) + 0.5f - shape.x,
                dy = static_cast<float>(out.top + y) + 0.5f - shape.y;
    for (int64_t i = 0; i < out.width; ++i) {
      const float x = dx + static_cast<float>(i);
      p[i] = x * c + dy * s;
      q[i] = x * s - dy * c;
    }
    float* d = out.distance.data() + y * out.width;
    kRows[static_cast<int>(shape.kind)](p.data(), q.data(), out.width, d);
    for (int64_t i = 0; i < out.width; ++i) d[i] *= shape.radius;
  }
  return out;
}

}  // namespace hadal::drawing
