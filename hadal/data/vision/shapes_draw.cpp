#include "hadal/data/vision/shapes_draw.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>

namespace hadal::drawing {
namespace {

float clamp01(float v) { return std::min(1.f, std::max(0.f, v)); }

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

/// A gradient over the whole picture, half of the time with soft noise in it.
class Ground {
 public:
  Ground(Random& random, int64_t size)
      : size_(size),
        share_(random.chance(0.5) ? 0 : static_cast<float>(random.uniform(0.3, 1))),
        coarse_(random, size, size, static_cast<float>(static_cast<double>(size) / random.uniform(2, 8))),
        fine_(random, size, size,
              static_cast<float>(std::max(2.0, static_cast<double>(size) / random.uniform(12, 40)))),
        soft_(size),
        grain_(size) {
    const auto angle = random.uniform(0, 2 * std::numbers::pi);
    x_ = static_cast<float>(std::cos(angle)) / static_cast<float>(size);
    y_ = static_cast<float>(std::sin(angle)) / static_cast<float>(size);
  }

  void row(int64_t y, float* mix) {
    const float start = 0.5f - 0.5f * static_cast<float>(size_) * (x_ + y_) + static_cast<float>(y) * y_;
    for (int64_t i = 0; i < size_; ++i) mix[i] = clamp01(start + x_ * static_cast<float>(i));
    if (share_ == 0) return;
    coarse_.row(y, soft_.data());
    fine_.row(y, grain_.data());
    for (int64_t i = 0; i < size_; ++i) mix[i] += share_ * (0.65f * soft_[i] + 0.35f * grain_[i] - mix[i]);
  }

 private:
  int64_t size_;
  float share_, x_ = 0, y_ = 0;
  Lattice coarse_, fine_;
  std::vector<float> soft_, grain_;
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
  const std::vector<float> cover(size_, 1.f);
  std::vector<float> mix(size_);
  if (random.chance(0.3)) {  // a shape's textures, paler, so that stripes alone do not give a shape away
    const auto half = 0.5f * static_cast<float>(size_), pale = static_cast<float>(random.uniform(0.15, 0.4));
    Texture texture(random, {Kind::square, half, half, half}, {0, 0, size_, size_, {}});
    const Colour near{a.r + pale * (b.r - a.r), a.g + pale * (b.g - a.g), a.b + pale * (b.b - a.b)};
    for (int64_t y = 0; y < size_; ++y) {
      texture.row(y, size_, mix.data());
      blend_row(0, y, size_, cover.data(), mix.data(), a, near);
    }
  } else {
    Ground ground(random, size_);
    for (int64_t y = 0; y < size_; ++y) {
      ground.row(y, mix.data());
      blend_row(0, y, size_, cover.data(), mix.data(), a, b);
    }
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
