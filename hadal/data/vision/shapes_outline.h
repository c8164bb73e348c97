// The outlines behind shapes.h, as signed distances.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace hadal::drawing {

enum class Kind { circle, square, triangle, star, cross, ring, crescent, hexagon };
const std::vector<std::string>& kind_names();

/// A shape in the picture. Every kind fits in the circle of `radius` pixels around (x, y); at angle 0 its head is up.
/// Pixel i covers [i, i + 1), y grows downwards.
struct Shape {
  Kind kind = Kind::circle;
  float x = 0, y = 0, radius = 1, angle = 0;

  /// The picture's point for one of the shape's own coordinates: (right, head) = (0, 1) is the head's end of the
  /// radius.
  std::array<float, 2> at(float right, float head) const;
};

/// Signed distances to a shape's edge in pixels, negative inside, for the pixels of the box around it that are in the
/// picture.
struct Outline {
  int64_t left = 0, top = 0, width = 0, height = 0;
  std::vector<float> distance;  // (height, width)
};
Outline trace(const Shape& shape, int64_t size);

}  // namespace hadal::drawing
