// The pencils behind shapes.h: textures and backgrounds on a square canvas.
#pragma once
#include <vector>

#include "hadal/core/random.h"
#include "hadal/core/torch.h"
#include "hadal/data/vision/shapes_outline.h"

namespace hadal::drawing {

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
