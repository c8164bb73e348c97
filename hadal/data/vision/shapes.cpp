#include "hadal/data/vision/shapes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numbers>
#include <optional>

#include "hadal/core/error.h"
#include "hadal/data/vision/shapes_draw.h"

namespace hadal {
namespace {

using drawing::Canvas;
using drawing::Kind;
using drawing::Outline;
using drawing::Shape;

constexpr int64_t kClasses = 4, kKeypoints = 5;
constexpr double kLeastVisible = 0.3;  // of a shape's pixels in the picture; below, it is not drawn
constexpr int64_t kLeastPixels = 4;

/// Where each class carries its keypoints, as (right, head) in radii: inside its outline, or just on it.
constexpr float kPlaces[kClasses][kKeypoints][2] = {
    {{0, 0}, {0, 0.65f}, {0, -0.65f}, {-0.65f, 0}, {0.65f, 0}},
    {{0, 0}, {0, 0.5f}, {0, -0.5f}, {-0.5f, 0}, {0.5f, 0}},
    {{0, 0}, {0, 0.45f}, {0, -0.3f}, {-0.5f, -0.3f}, {0.5f, -0.3f}},
    {{0, 0}, {0, 0.5f}, {0, -0.3f}, {-0.5f, 0.16f}, {0.5f, 0.16f}},
};
constexpr float kMarkRadius = 0.2f;

uint64_t split_number(const std::string& split) {
  const std::array<std::string, 3> names = {"train", "val", "test"};
  const auto at = std::find(names.begin(), names.end(), split);
  require(at != names.end(), "[shapes] unknown split \"{}\"; expected train, val or test", split);
  return at - names.begin();
}

template <class Config>
int64_t split_count(const Config& config, uint64_t split) {
  return split == 0 ? config.train : split == 1 ? config.val : config.test;
}

void check_sizes(int64_t size, double low, double high) {
  require(low <= high, "[shapes] min_size ({}) must not be above max_size ({})", low, high);
  const auto smallest = low * static_cast<double>(size);
  require(smallest >= 5,
          "[shapes] min_size ({}) of {} pixels is {:.1f} pixels, too small to tell shapes apart; at least {:.3f}", low,
          size, smallest, 5.0 / static_cast<double>(size));
}

/// A random shape; sizes are evenly spread over the octaves.
Shape random_shape(Random& random, Kind kind, int64_t side, double low, double high, double margin) {
  Shape shape{kind};
  const auto radius = 0.5 * static_cast<double>(side) * low * std::pow(high / low, random.uniform());
  shape.radius = static_cast<float>(radius);
  shape.angle = static_cast<float>(random.uniform(-std::numbers::pi, std::numbers::pi));
  const auto place = [&] {
    return static_cast<float>(random.uniform(margin * radius, static_cast<double>(side) - margin * radius));
  };
  shape.x = place();
  shape.y = place();
  return shape;
}

/// Whose pixel it is: the number of the shape in front, or -1 for the background.
struct Owners {
  int64_t size;
  std::vector<int16_t> pixels;

  /// Gives the shape the pixels that it covers and no other has, unless too few are left.
  bool claim(const Outline& outline, int16_t number) {
    int64_t covered = 0, free = 0;
    each(outline, [&](int16_t& owner) { ++covered, free += owner < 0; });
    if (free < kLeastPixels || static_cast<double>(free) < kLeastVisible * static_cast<double>(covered)) return false;
    each(outline, [&](int16_t& owner) {
      if (owner < 0) owner = number;
    });
    return true;
  }

  template <class Visit>
  void each(const Outline& outline, Visit visit) {
    for (int64_t y = 0; y < outline.height; ++y) {
      const float* edge = outline.distance.data() + y * outline.width;
      int16_t* at = pixels.data() + (outline.top + y) * size + outline.left;
      for (int64_t i = 0; i < outline.width; ++i)
        if (edge[i] < 0) visit(at[i]);
    }
  }
};

struct Drawn {
  Shape shape;
  Outline outline;
};

/// Places shapes front to back, so that a shape's visible part is known at once; each gets a few tries.
std::vector<Drawn> place_shapes(const ShapesConfig& config, Random& random, Owners& owners) {
  std::vector<Drawn> drawn;
  const auto wanted = random.between(config.min_objects, config.max_objects);
  for (int64_t n = 0; n < wanted; ++n) {
    const auto kind = static_cast<Kind>(random.below(kClasses));
    for (int tries = 0; tries < 8; ++tries) {
      const auto shape = random_shape(random, kind, config.size, config.min_size, config.max_size, 0.4);
      auto outline = drawing::trace(shape, config.size);
      if (!owners.claim(outline, static_cast<int16_t>(drawn.size()))) continue;
      drawn.push_back({shape, std::move(outline)});
      break;
    }
  }
  return drawn;
}

/// Fills one shape's mask, of what it owns, and the box tight around it.
void fill_mask(const Owners& owners, int16_t number, const Outline& outline, uint8_t* mask, float* box) {
  int64_t left = owners.size, right = 0, top = owners.size, bottom = 0;
  for (int64_t y = outline.top; y < outline.top + outline.height; ++y) {
    const int16_t* owner = owners.pixels.data() + y * owners.size;
    uint8_t* row = mask + y * owners.size;
    for (int64_t x = outline.left; x < outline.left + outline.width; ++x) {
      row[x] = owner[x] == number;
      if (!row[x]) continue;
      left = std::min(left, x), right = std::max(right, x + 1);
      top = std::min(top, y), bottom = y + 1;
    }
  }
  const int64_t sides[] = {left, top, right, bottom};
  for (int i = 0; i < 4; ++i) box[i] = static_cast<float>(sides[i]);
}

void fill_keypoints(const Owners& owners, int16_t number, const Shape& shape, float* out) {
  for (const auto& place : kPlaces[static_cast<int>(shape.kind)]) {
    const auto [x, y] = shape.at(place[0], place[1]);
    const auto side = static_cast<float>(owners.size);
    if (x >= 0 && y >= 0 && x < side && y < side) {
      const auto owner = owners.pixels[static_cast<int64_t>(y) * owners.size + static_cast<int64_t>(x)];
      out[0] = x, out[1] = y, out[2] = owner == number ? 2 : 1;
    }
    out += 3;
  }
}

/// What the picture shows: everything but the picture.
Scene describe(const std::vector<Drawn>& drawn, const Owners& owners) {
  const auto n = static_cast<int64_t>(drawn.size());
  Scene scene;
  scene.boxes = torch::empty({n, 4});
  scene.labels = torch::empty({n}, torch::kInt64);
  // Not torch::zeros: large ones are filled by all of LibTorch's threads, in the way of a loader's own.
  scene.masks = torch::empty({n, owners.size, owners.size}, torch::kUInt8);
  std::memset(scene.masks.data_ptr(), 0, scene.masks.numel());
  scene.keypoints = torch::zeros({n, kKeypoints, 3});
  for (int64_t i = 0; i < n; ++i) {
    const auto& [shape, outline] = drawn[i];
    const auto number = static_cast<int16_t>(i);
    scene.labels.data_ptr<int64_t>()[i] = static_cast<int64_t>(shape.kind);
    fill_mask(owners, number, outline, scene.masks.data_ptr<uint8_t>() + i * owners.size * owners.size,
              scene.boxes.data_ptr<float>() + i * 4);
    fill_keypoints(owners, number, shape, scene.keypoints.data_ptr<float>() + i * kKeypoints * 3);
  }
  return scene;
}

void paint_head(Canvas& canvas, const Drawn& drawn) {
  const auto* head = kPlaces[static_cast<int>(drawn.shape.kind)][1];
  const auto [x, y] = drawn.shape.at(head[0], head[1]);
  canvas.paint_mark(x, y, std::max(1.5f, kMarkRadius * drawn.shape.radius), drawn.outline);
}

std::string index_error(int64_t index, int64_t count) {
  return fmt::format("[shapes] no picture {}; the split holds {}", index, count);
}

}  // namespace

Fields<ShapesConfig> ShapesConfig::fields() {
  using C = ShapesConfig;
  return {{"size", &C::size, "side of the square pictures in pixels", between(16, 4096)},
          {"train", &C::train, "pictures to train with", at_least(1)},
          {"val", &C::val, "pictures to choose weights with", at_least(0)},
          {"test", &C::test, "pictures to score with in the end", at_least(0)},
          {"min_objects", &C::min_objects, "fewest shapes to place in a picture", between(1, 1000)},
          {"max_objects", &C::max_objects, "most shapes to place in a picture", between(1, 1000)},
          {"min_size", &C::min_size, "smallest shape's diameter, as a share of the side", between(0.001, 1)},
          {"max_size", &C::max_size, "largest shape's diameter, as a share of the side", between(0.001, 1)},
          {"seed", &C::seed, "another seed draws other pictures", at_least(0)}};
}

void ShapesConfig::validate() const {
  require(min_objects <= max_objects, "[shapes] min_objects ({}) must not be above max_objects ({})", min_objects,
          max_objects);
  check_sizes(size, min_size, max_size);
}

Shapes::Shapes(const ShapesConfig& config, const std::string& split)
    : config_(config), split_(split_number(split)), count_(split_count(config, split_)) {
  validate_config(config, "shapes");
}

Scene Shapes::get(int64_t index) const {
  if (index < 0 || index >= count_) throw Error(index_error(index, count_));
  Random random(config_.seed, {split_, static_cast<uint64_t>(index)});
  Owners owners{config_.size, std::vector<int16_t>(config_.size * config_.size, -1)};
  const auto drawn = place_shapes(config_, random, owners);
  auto scene = describe(drawn, owners);

  Canvas canvas(config_.size);
  canvas.fill_background(random, random.chance(0.5) ? random.between(5, 30) : 0);
  for (auto it = drawn.rbegin(); it != drawn.rend(); ++it) {
    canvas.paint(it->shape, it->outline, random);
    paint_head(canvas, *it);
  }
  scene.image = canvas.develop(random, static_cast<float>(random.uniform(0, 0.08)));
  return scene;
}

const std::vector<std::string>& Shapes::classes() {
  static const std::vector<std::string> names(drawing::kind_names().begin(), drawing::kind_names().begin() + kClasses);
  return names;
}

const std::vector<std::string>& Shapes::keypoints() {
  static const std::vector<std::string> names = {"centre", "head", "tail", "left", "right"};
  return names;
}

const std::vector<int64_t>& Shapes::keypoint_swap() {
  static const std::vector<int64_t> swap = {0, 1, 2, 4, 3};
  return swap;
}

Fields<ShapesClassificationConfig> ShapesClassificationConfig::fields() {
  using C = ShapesClassificationConfig;
  return {{"size", &C::size, "side of the square pictures in pixels", between(16, 4096)},
          {"train", &C::train, "pictures to train with", at_least(1)},
          {"val", &C::val, "pictures to choose weights with", at_least(0)},
          {"test", &C::test, "pictures to score with in the end", at_least(0)},
          {"classes", &C::classes, "how many kinds of shapes",
           between(2, static_cast<double>(drawing::kind_names().size()))},
          {"min_size", &C::min_size, "smallest shape's diameter, as a share of the side", between(0.001, 1)},
          {"max_size", &C::max_size, "largest shape's diameter, as a share of the side", between(0.001, 1)},
          {"seed", &C::seed, "another seed draws other pictures", at_least(0)}};
}

void ShapesClassificationConfig::validate() const {
  const auto kinds = static_cast<int64_t>(drawing::kind_names().size());
  require(classes >= 2 && classes <= kinds, "[shapes] classes ({}) must be from 2 to {}", classes, kinds);
  check_sizes(size, min_size, max_size);
}

ShapesClassification::ShapesClassification(const ShapesClassificationConfig& config, const std::string& split)
    : config_(config), split_name_(split), split_(split_number(split)), count_(split_count(config, split_)) {
  validate_config(config, "shapes");
  classes_.assign(drawing::kind_names().begin(), drawing::kind_names().begin() + config.classes);
}

LabelledImage ShapesClassification::get(int64_t index) const {
  if (index < 0 || index >= count_) throw Error(index_error(index, count_));
  Random random(config_.seed, {split_, static_cast<uint64_t>(index)});
  const auto label = index % config_.classes;
  const auto shape =
      random_shape(random, static_cast<Kind>(label), config_.size, config_.min_size, config_.max_size, 0.8);
  Canvas canvas(config_.size);
  canvas.fill_background(random, random.between(3, 20));
  canvas.paint(shape, drawing::trace(shape, config_.size), random);
  return {canvas.develop(random, static_cast<float>(random.uniform(0, 0.1))), label};
}

std::string ShapesClassification::name(int64_t index) const { return fmt::format("shapes/{}[{}]", split_name_, index); }

}  // namespace hadal
