// The pencils behind shapes.h: outlines by signed distance, textures, backgrounds, on a square canvas.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "hadal/core/random.h"
#include "hadal/core/torch.h"

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

struct Colour {
  float r = 0, g = 0, b = 0;
};

class Canvas {
 public:
  explicit Canvas(int64_t size) : size_(size), pixels_(3 * size * size) {}

  /// A gradient or soft noise, with `strokes` short lines over it.
  void fill_background(Random& random, int64_t strokes);
  /// A shape with a texture of its own in colours that stand out from what lies there.
  void paint(const Shape& shape, const Outline& outline, Random& random);
  /// A light dot with a dark rim, inside the outline only.
  void paint_mark(float x, float y, float radius, const Outline& inside);
  /// (size, size, 3) uint8, with the grain of a camera: uniform noise of up to `grain` (1 is the whole range).
  Tensor develop(Random& random, float grain) const;

 private:
  float* row(int64_t channel, int64_t y) { return pixels_.data() + (channel * size_ + y) * size_; }
  Colour mean(const Outline& around) const;
  void blend_row(int64_t left, int64_t y, int64_t width, const float* cover, const float* mix, Colour a, Colour b);
  void stroke(Random& random);

  int64_t size_;
  std::vector<float> pixels_;  // (3, size, size), 0 to 1
};

}  // namespace hadal::drawing
