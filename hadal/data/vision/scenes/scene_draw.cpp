#include "hadal/data/vision/scenes/scene_draw.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "hadal/data/vision/scenes/file_scenes.h"
#include "hadal/data/vision/scenes/scene_check.h"
#include "hadal/io/draw.h"

namespace hadal {
namespace {

void put(Tensor& image, int64_t x, int64_t y, Colour c) {
  if (x < 0 || y < 0 || x >= image.size(1) || y >= image.size(0)) return;
  auto* at = image.data_ptr<uint8_t>() + (y * image.size(1) + x) * 3;
  at[0] = c.red, at[1] = c.green, at[2] = c.blue;
}

void disc(Tensor& image, double x, double y, double radius, Colour colour) {
  const auto r = static_cast<int64_t>(std::ceil(radius));
  const auto cx = std::llround(x - 0.5), cy = std::llround(y - 0.5);
  for (auto dy = -r; dy <= r; ++dy)
    for (auto dx = -r; dx <= r; ++dx)
      if (static_cast<double>(dx * dx + dy * dy) <= radius * radius) put(image, cx + dx, cy + dy, colour);
}

void line(Tensor& image, const float* a, const float* b, double radius, Colour colour) {
  const double dx = b[0] - a[0], dy = b[1] - a[1];
  const auto steps = std::min<int64_t>(10000, static_cast<int64_t>(std::hypot(dx, dy)) + 1);
  for (int64_t i = 0; i <= steps; ++i) {
    const double t = static_cast<double>(i) / static_cast<double>(steps);
    disc(image, a[0] + t * dx, a[1] + t * dy, radius, colour);
  }
}

/// Half its colour within, and all of it along the outline, `width` pixels wide: what touches can be told apart.
void draw_mask(Tensor& image, const uint8_t* mask, int64_t width, Colour c) {
  const auto rows = image.size(0), columns = image.size(1);
  const auto in = [&](int64_t y, int64_t x) {
    return y >= 0 && x >= 0 && y < rows && x < columns && mask[y * columns + x] != 0;
  };
  auto* at = image.data_ptr<uint8_t>();
  for (int64_t y = 0; y < rows; ++y)
    for (int64_t x = 0; x < columns; ++x, at += 3) {
      if (!in(y, x)) continue;
      const bool within = in(y - width, x) && in(y + width, x) && in(y, x - width) && in(y, x + width);
      const int share = within ? 1 : 2;  // of two
      const auto mixed = [&](uint8_t was, uint8_t is) {
        return static_cast<uint8_t>((was * (2 - share) + is * share) / 2);
      };
      at[0] = mixed(at[0], c.red), at[1] = mixed(at[1], c.green), at[2] = mixed(at[2], c.blue);
    }
}

/// Where boxes and labels would hide a small picture, every pixel becomes several.
int64_t enlargement(int64_t height, int64_t width) {
  constexpr int64_t kLeast = 320, kMost = 2000;
  const auto shorter = std::min(height, width), longer = std::max(height, width);
  return std::max<int64_t>(1, std::min((kLeast + shorter - 1) / shorter, kMost / longer));
}

Tensor enlarged(const Tensor& pixels, int64_t times, int64_t first) {
  return times == 1 ? pixels : pixels.repeat_interleave(times, first).repeat_interleave(times, first + 1);
}

void draw_points(Tensor& image, const float* points, const SceneAbout& about, double radius) {
  for (const auto& [from, to] : about.skeleton)
    if (from >= 0 && to >= 0 && from < std::ssize(about.keypoints) && to < std::ssize(about.keypoints) &&
        points[3 * from + 2] > 0 && points[3 * to + 2] > 0)
      line(image, points + 3 * from, points + 3 * to, radius / 2, {255, 255, 255});
  for (int64_t k = 0; k < std::ssize(about.keypoints); ++k)
    if (points[3 * k + 2] > 0) disc(image, points[3 * k], points[3 * k + 1], radius, class_colour(k));
}

}  // namespace

Tensor drawn(const Scene& scene, const SceneAbout& about, const std::vector<std::string>& captions) {
  const auto times = enlargement(scene.image.size(0), scene.image.size(1));
  auto image = enlarged(scene.image, times, 0);
  image = image.size(2) == 3 ? image.clone().contiguous() : image.repeat({1, 1, 3}).contiguous();
  const auto shorter = std::min(image.size(0), image.size(1));
  const auto radius = std::max(1.5, static_cast<double>(shorter) / 150);
  const auto count = scene.boxes.defined() ? scene.boxes.size(0) : 0;
  // With masks, or of one class: a colour an object, so that neighbours can be told apart.
  const bool alone = scene.masks.defined() || about.classes.size() == 1;
  const auto colour = [&](int64_t i) { return class_colour(alone ? i : scene.labels.const_data_ptr<int64_t>()[i]); };
  for (int64_t i = 0; scene.masks.defined() && i < count; ++i) {
    const auto mask = enlarged(scene.masks[i], times, 0).contiguous();
    draw_mask(image, mask.const_data_ptr<uint8_t>(), std::max<int64_t>(1, shorter / 250), colour(i));
  }
  std::vector<BoxDrawing> boxes;
  for (int64_t i = 0; i < count; ++i) {
    const Tensor box = (scene.boxes[i] * times).contiguous();
    const auto* b = box.const_data_ptr<float>();
    const auto label = static_cast<size_t>(scene.labels.const_data_ptr<int64_t>()[i]);
    const bool named = about.classes.size() > 1 && label < about.classes.size();
    const auto caption = !captions.empty() ? captions.at(static_cast<size_t>(i)) : named ? about.classes[label] : "";
    boxes.push_back({b[0], b[1], b[2], b[3], colour(i), caption});
  }
  draw_boxes(image, boxes);
  for (int64_t i = 0; scene.keypoints.defined() && i < count; ++i) {
    const Tensor points = scene.keypoints[i] * torch::tensor({times, times, int64_t{1}});
    draw_points(image, points.contiguous().const_data_ptr<float>(), about, radius);
  }
  return image;
}

Tensor draw_report(const SceneReport& report, int64_t count, int64_t side) {
  if (!report.files) return {};
  struct Choice {
    const SceneSplit* split;
    int64_t index;
    bool wrong;
  };
  std::set<std::string> wrong;
  for (const auto& fault : report.faults)
    if (kind_of(fault.fault).weight >= FaultWeight::error) {
      wrong.insert(fault.where);
      for (const auto* place : {" object ", " line "}) wrong.insert(fault.where.substr(0, fault.where.rfind(place)));
    }
  std::vector<Choice> choices, chosen;
  const auto& files = *report.files;
  for (const auto& split : files.splits)
    for (int64_t i = 0; i < std::ssize(split.records); ++i) {
      const auto& r = split.records[i];
      const bool bad = (r.picture >= 0 && wrong.contains(files.tree.name(r.picture))) ||
                       (r.labels >= 0 && wrong.contains(files.tree.name(r.labels)));
      choices.push_back({&split, i, bad});
    }
  std::erase_if(choices, [&](const Choice& choice) {
    const bool first = choice.wrong && std::ssize(chosen) < count / 2;
    if (first) chosen.push_back(choice);
    return first;
  });
  const auto rest = std::min<int64_t>(count - std::ssize(chosen), std::ssize(choices));
  for (int64_t n = 0; n < rest; ++n) chosen.push_back(choices[n * std::ssize(choices) / rest]);
  std::vector<GridCell> cells;
  for (const auto& [split, index, bad] : chosen) {
    try {
      const FileScenes scenes(report.files, split->name);
      auto scene = scenes.get(index, {.longest = 2 * side});
      cells.push_back({drawn(scene, report.about), scenes.name(index).substr(report.root.size() + 1),
                       bad ? Colour{180, 40, 40} : Colour{60, 60, 60}});
    } catch (const Error&) {
      continue;  // said in the report
    }
  }
  return cells.empty() ? Tensor() : picture_grid(cells, side);
}

}  // namespace hadal
