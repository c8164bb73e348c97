#include "hadal/data/shapes_draw.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hadal::drawing {
namespace {

constexpr float kPi = std::numbers::pi_v<float>;

float clamp01(float v) { return std::min(1.f, std::max(0.f, v)); }

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
  const float s36 = std::sin(kPi / 5), c36 = std::cos(kPi / 5);
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

Colour random_colour(Random& random) {
  const auto part = [&] { return static_cast<float>(random.uniform(0.03, 0.97)); };
  const float r = part(), g = part();
  return {r, g, part()};
}

float distance(Colour a, Colour b) { return std::hypot(a.r - b.r, a.g - b.g, a.b - b.b); }

/// A colour at least `far` from both; the farthest of 16 tries when none is.
Colour contrasting(Random& random, Colour a, Colour b, float far) {
  Colour best = random_colour(random);
  for (int tries = 0; tries < 16; ++tries) {
    const auto score = [&](Colour c) { return std::min(distance(c, a), distance(c, b)); };
    if (score(best) >= far) break;
    if (const auto next = random_colour(random); score(next) > score(best)) best = next;
  }
  return best;
}

/// Smooth noise: random values on a lattice of `cell` pixels over a box, interpolated.
class Lattice {
 public:
  Lattice(Random& random, int64_t width, int64_t height, float cell)
      : columns_(static_cast<int64_t>(static_cast<float>(width) / cell) + 2), cell_(cell), line_(columns_) {
    values_.resize(columns_ * (static_cast<int64_t>(static_cast<float>(height) / cell) + 2));
    for (auto& value : values_) value = static_cast<float>(random.uniform());
    for (int64_t x = 0; x < width; ++x) {
      const float at = static_cast<float>(x) / cell, part = at - std::floor(at);
      column_.push_back(static_cast<int32_t>(at));
      weight_.push_back(part * part * (3 - 2 * part));
    }
  }

  /// The width's values at row y of the box, 0 to 1.
  void row(int64_t y, float* out) {
    const float at = static_cast<float>(y) / cell_, part = at - std::floor(at), w = part * part * (3 - 2 * part);
    const float* upper = values_.data() + static_cast<int64_t>(at) * columns_;
    const float* lower = upper + columns_;
    for (int64_t i = 0; i < columns_; ++i) line_[i] = upper[i] + w * (lower[i] - upper[i]);
    for (size_t x = 0; x < column_.size(); ++x) {
      const float* pair = line_.data() + column_[x];
      out[x] = pair[0] + weight_[x] * (pair[1] - pair[0]);
    }
  }

 private:
  int64_t columns_;
  float cell_;
  std::vector<float> line_, values_, weight_;
  std::vector<int32_t> column_;
};

/// How much of a shape's second colour a pixel gets.
class Texture {
 public:
  Texture(Random& random, const Shape& shape, const Outline& outline) : kind_(static_cast<Pattern>(random.below(5))) {
    const auto angle = random.uniform(0, 2 * std::numbers::pi);
    // Stripes and checks repeat every 4 pixels at least, or they could not be told from noise.
    period_ = static_cast<float>(random.uniform(std::max(4.0, shape.radius * 0.25), std::max(5.0, shape.radius * 0.8)));
    const float step = kind_ == Pattern::gradient ? 1 / shape.radius : 1 / period_;
    x_ = static_cast<float>(std::cos(angle)) * step;
    y_ = static_cast<float>(std::sin(angle)) * step;
    // Far from 0, so that truncation is the floor for every pixel of the picture.
    phase_ = static_cast<float>(random.uniform()) + (kind_ == Pattern::gradient ? 0 : 4096);
    if (kind_ == Pattern::noise)
      noise_ = std::make_unique<Lattice>(random, outline.width, outline.height, period_ * 0.6f);
    left_ = static_cast<float>(outline.left) - shape.x, top_ = static_cast<float>(outline.top) - shape.y;
  }

  bool plain() const { return kind_ == Pattern::plain; }

  void row(int64_t y, int64_t width, float* mix) {
    if (kind_ == Pattern::plain) std::fill_n(mix, width, 0.f);
    if (kind_ == Pattern::noise) {
      noise_->row(y, mix);
      for (int64_t i = 0; i < width; ++i) mix[i] = clamp01((mix[i] - 0.5f) * 4 + 0.5f);
    }
    const float down = top_ + static_cast<float>(y);
    const float along = x_ * left_ + y_ * down, across = x_ * down - y_ * left_;
    if (kind_ == Pattern::gradient)
      for (int64_t i = 0; i < width; ++i) mix[i] = clamp01(0.5f + 0.5f * (along + x_ * static_cast<float>(i)));
    if (kind_ == Pattern::stripes)
      for (int64_t i = 0; i < width; ++i) mix[i] = wave(along + phase_ + x_ * static_cast<float>(i));
    if (kind_ == Pattern::checks)
      for (int64_t i = 0; i < width; ++i) {
        const float a = wave(along + phase_ + x_ * static_cast<float>(i));
        const float b = wave(across + phase_ - y_ * static_cast<float>(i));
        mix[i] = a + b - 2 * a * b;
      }
  }

 private:
  enum class Pattern { plain, stripes, checks, noise, gradient };

  /// A square wave whose edges take a pixel.
  float wave(float at) const {
    const float part = at - static_cast<float>(static_cast<int32_t>(at));
    return clamp01((std::abs(part - 0.5f) - 0.25f) * period_ + 0.5f);
  }

  Pattern kind_;
  float period_ = 1, x_ = 0, y_ = 0, phase_ = 0, left_ = 0, top_ = 0;
  std::unique_ptr<Lattice> noise_;
};

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

/// pixels = pixels + cover * (a + mix * (b - a) - pixels) for a row of each channel.
void Canvas::blend_row(int64_t left, int64_t y, int64_t width, const float* cover, const float* mix, Colour a,
                       Colour b) {
  const float from[] = {a.r, a.g, a.b}, step[] = {b.r - a.r, b.g - a.g, b.b - a.b};
  for (int64_t channel = 0; channel < 3; ++channel) {
    float* at = row(channel, y) + left;
    for (int64_t i = 0; i < width; ++i) at[i] += cover[i] * (from[channel] + mix[i] * step[channel] - at[i]);
  }
}

void Canvas::fill_background(Random& random, int64_t strokes) {
  const auto a = random_colour(random), b = random_colour(random);
  const auto angle = random.uniform(0, 2 * std::numbers::pi);
  const float x = static_cast<float>(std::cos(angle)) / static_cast<float>(size_);
  const float y = static_cast<float>(std::sin(angle)) / static_cast<float>(size_);
  const float share = random.chance(0.5) ? 0 : static_cast<float>(random.uniform(0.3, 1));  // noise in the gradient
  const auto side = static_cast<double>(size_);
  Lattice coarse(random, size_, size_, static_cast<float>(side / random.uniform(2, 8)));
  Lattice fine(random, size_, size_, static_cast<float>(std::max(2.0, side / random.uniform(12, 40))));
  std::vector<float> mix(size_), soft(size_), grain(size_);
  const std::vector<float> cover(size_, 1.f);
  for (int64_t line = 0; line < size_; ++line) {
    const float start = 0.5f - 0.5f * static_cast<float>(size_) * (x + y) + static_cast<float>(line) * y;
    for (int64_t i = 0; i < size_; ++i) mix[i] = clamp01(start + x * static_cast<float>(i));
    if (share > 0) {
      coarse.row(line, soft.data());
      fine.row(line, grain.data());
      for (int64_t i = 0; i < size_; ++i) mix[i] += share * (0.65f * soft[i] + 0.35f * grain[i] - mix[i]);
    }
    blend_row(0, line, size_, cover.data(), mix.data(), a, b);
  }
  for (int64_t i = 0; i < strokes; ++i) stroke(random);
}

/// A line with round ends: no shape's outline, but edges, colours and corners where it crosses others.
void Canvas::stroke(Random& random) {
  const auto side = static_cast<double>(size_);
  const auto x = static_cast<float>(random.uniform(0, side)), y = static_cast<float>(random.uniform(0, side));
  const auto angle = random.uniform(0, 2 * std::numbers::pi), length = side * random.uniform(0.05, 0.25);
  const auto dx = static_cast<float>(length * std::cos(angle)), dy = static_cast<float>(length * std::sin(angle));
  const auto thick = static_cast<float>(random.uniform(0.6, std::max(1.0, side * 0.015)));
  const auto strength = static_cast<float>(random.uniform(0.3, 0.9));
  const auto colour = random_colour(random);
  const auto inside = [&](float v) { return std::clamp<int64_t>(static_cast<int64_t>(std::floor(v)), 0, size_); };
  const int64_t left = inside(std::min(x, x + dx) - thick - 1), right = inside(std::max(x, x + dx) + thick + 2);
  const int64_t top = inside(std::min(y, y + dy) - thick - 1), bottom = inside(std::max(y, y + dy) + thick + 2);
  const float scale = 1 / std::max(1e-6f, dx * dx + dy * dy);
  std::vector<float> cover(std::max<int64_t>(0, right - left));
  const std::vector<float> mix(cover.size(), 0.f);
  for (int64_t line = top; line < bottom; ++line) {
    const float py = static_cast<float>(line) + 0.5f - y;
    for (int64_t i = 0; i < right - left; ++i) {
      const float px = static_cast<float>(left + i) + 0.5f - x, along = clamp01((px * dx + py * dy) * scale);
      const float ex = px - along * dx, ey = py - along * dy;
      cover[i] = strength * clamp01(thick + 0.5f - std::sqrt(ex * ex + ey * ey));
    }
    blend_row(left, line, right - left, cover.data(), mix.data(), colour, colour);
  }
}

Colour Canvas::mean(const Outline& around) const {
  float sums[3] = {};
  for (int64_t channel = 0; channel < 3; ++channel)
    for (int64_t y = 0; y < around.height; y += 2) {
      const float* at = pixels_.data() + (channel * size_ + around.top + y) * size_ + around.left;
      for (int64_t i = 0; i < around.width; i += 2) sums[channel] += at[i];
    }
  const auto count = static_cast<float>(std::max<int64_t>(1, ((around.height + 1) / 2) * ((around.width + 1) / 2)));
  return {sums[0] / count, sums[1] / count, sums[2] / count};
}

void Canvas::paint(const Shape& shape, const Outline& outline, Random& random) {
  const auto behind = mean(outline);
  const auto a = contrasting(random, behind, behind, 0.4f), b = contrasting(random, behind, a, 0.25f);
  Texture texture(random, shape, outline);
  const float edge = random.chance(0.3) ? std::max(1.f, 0.08f * shape.radius) : 0;  // width of a darker or lighter rim
  const float shade = random.chance(0.5) ? 0.05f : 0.95f;
  std::vector<float> cover(outline.width), mix(outline.width);
  for (int64_t y = 0; y < outline.height; ++y) {
    const float* d = outline.distance.data() + y * outline.width;
    for (int64_t i = 0; i < outline.width; ++i) cover[i] = clamp01(0.5f - d[i]);
    texture.row(y, outline.width, mix.data());
    blend_row(outline.left, outline.top + y, outline.width, cover.data(), mix.data(), a, b);
    if (edge == 0) continue;
    for (int64_t i = 0; i < outline.width; ++i) cover[i] *= 0.8f * clamp01(d[i] + edge + 0.5f);
    std::fill(mix.begin(), mix.end(), 0.f);
    blend_row(outline.left, outline.top + y, outline.width, cover.data(), mix.data(), {shade, shade, shade}, {});
  }
}

void Canvas::paint_mark(float x, float y, float radius, const Outline& inside) {
  constexpr Colour kDark{0.05f, 0.05f, 0.05f}, kLight{0.97f, 0.97f, 0.9f};
  std::vector<float> cover(inside.width), mix(inside.width);
  const auto first = std::clamp<int64_t>(static_cast<int64_t>(y - radius) - 1 - inside.top, 0, inside.height);
  const auto last = std::clamp<int64_t>(static_cast<int64_t>(y + radius) + 2 - inside.top, 0, inside.height);
  for (int64_t line = first; line < last; ++line) {
    const float* edge = inside.distance.data() + line * inside.width;
    const float dy = static_cast<float>(inside.top + line) + 0.5f - y;
    for (int64_t i = 0; i < inside.width; ++i) {
      const float dx = static_cast<float>(inside.left + i) + 0.5f - x, d = std::sqrt(dx * dx + dy * dy) - radius;
      cover[i] = clamp01(0.5f - d) * clamp01(0.5f - edge[i]);
      mix[i] = clamp01(0.5f - (d + std::max(0.6f, 0.35f * radius)));  // the light core
    }
    blend_row(inside.left, inside.top + line, inside.width, cover.data(), mix.data(), kDark, kLight);
  }
}

Tensor Canvas::develop(Random& random, float grain) const {
  auto image = torch::empty({size_, size_, 3}, torch::kUInt8);
  auto* out = image.data_ptr<uint8_t>();
  const auto key = static_cast<uint32_t>(random.bits());
  const int64_t plane = size_ * size_;
  std::vector<uint8_t> line(3 * size_);
  for (int64_t y = 0; y < size_; ++y) {
    for (int64_t channel = 0; channel < 3; ++channel) {
      const float* at = pixels_.data() + channel * plane + y * size_;
      const auto base = static_cast<uint32_t>((channel * size_ + y) * size_);
      for (int64_t i = 0; i < size_; ++i) {
        uint32_t h = ((base + static_cast<uint32_t>(i)) ^ key) * 0x9e3779b1u;  // noise by hashing the pixel's place
        h = (h ^ (h >> 15)) * 0x85ebca77u;
        h ^= h >> 13;
        const float noise = static_cast<float>(static_cast<int32_t>(h & 0xffff) - 32768) * (1.f / 32768);
        line[channel * size_ + i] = static_cast<uint8_t>(clamp01(at[i] + grain * noise) * 255 + 0.5f);
      }
    }
    const uint8_t *r = line.data(), *g = r + size_, *b = g + size_;
    for (int64_t i = 0; i < size_; ++i, out += 3) out[0] = r[i], out[1] = g[i], out[2] = b[i];
  }
  return image;
}

}  // namespace hadal::drawing
