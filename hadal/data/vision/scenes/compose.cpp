// Putting scenes onto a frame, over each other and into each other.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "hadal/core/error.h"
#include "hadal/data/vision/scenes/scene_augment.h"

namespace hadal {
namespace {

constexpr double kLeastSide = 2, kMostAspect = 100, kMostCovered = 0.3;

/// What the visible objects of a part become.
struct Objects {
  std::vector<int64_t> from;  // of the part's scene
  std::vector<float> boxes;
};

double area_of(const Window& w) { return std::max(0.0, w[2] - w[0]) * std::max(0.0, w[3] - w[1]); }
Window common(const Window& a, const Window& b) {
  return {std::max(a[0], b[0]), std::max(a[1], b[1]), std::min(a[2], b[2]), std::min(a[3], b[3])};
}

Objects visible(const PlacedScene& part, const Window& frame, double least_visible) {
  Objects out;
  if (!part.scene.boxes.defined()) return out;
  const auto* b = part.scene.boxes.const_data_ptr<float>();
  for (int64_t i = 0; i < part.scene.boxes.size(0); ++i, b += 4) {
    const Window box = {b[0], b[1], b[2], b[3]};
    const auto inside = common(box, part.window);
    if (area_of(inside) <= 0) continue;
    const auto seen = common(moved(part.forward, inside), frame);
    const auto w = seen[2] - seen[0], h = seen[3] - seen[1];
    if (w <= kLeastSide || h <= kLeastSide || w > kMostAspect * h || h > kMostAspect * w) continue;
    if (area_of(seen) < least_visible * area_of(moved(part.forward, box))) continue;
    out.from.push_back(i);
    for (const auto side : seen) out.boxes.push_back(static_cast<float>(side));
  }
  return out;
}

/// A box tight around its mask; false for an empty mask.
bool tighten(const uint8_t* mask, int64_t height, int64_t width, float* box) {
  const auto first = [](float v) { return std::max<int64_t>(0, static_cast<int64_t>(std::floor(v))); };
  const auto last = [](float v, int64_t most) { return std::min(most, static_cast<int64_t>(std::ceil(v)) + 1); };
  int64_t left = width, right = 0, top = height, bottom = 0;
  for (auto y = first(box[1]); y < last(box[3], height); ++y)
    for (auto x = first(box[0]); x < last(box[2], width); ++x)
      if (mask[y * width + x])
        left = std::min(left, x), right = std::max(right, x + 1), top = std::min(top, y), bottom = y + 1;
  if (right <= left) return false;
  const int64_t sides[] = {left, top, right, bottom};
  std::copy_n(sides, 4, box);
  return true;
}

void move_keypoints(const PlacedScene& part, int64_t object, const Window& frame, const std::vector<int64_t>& swap,
                    float* out) {
  const auto points = part.scene.keypoints.size(1);
  const auto* from = part.scene.keypoints.const_data_ptr<float>() + object * points * 3;
  for (int64_t k = 0; k < points; ++k, out += 3) {
    const auto* p = from + 3 * (swap.empty() ? k : swap.at(k));
    if (p[2] <= 0 || p[0] < part.window[0] || p[0] > part.window[2] || p[1] < part.window[1] || p[1] > part.window[3])
      continue;
    const auto at = moved(part.forward, p[0], p[1]);
    if (at[0] < 0 || at[1] < 0 || at[0] > frame[2] || at[1] > frame[3]) continue;
    out[0] = static_cast<float>(at[0]), out[1] = static_cast<float>(at[1]), out[2] = p[2];
  }
}

Tensor joined_rows(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() ? a : b;
  return torch::cat({a, b});
}

Tensor picked(const Tensor& t, const Tensor& rows) { return t.defined() ? t.index_select(0, rows) : t; }

Tensor mirrored_boxes(const Tensor& boxes, int64_t width) {
  auto out = boxes.clone();
  out.select(1, 0).copy_(static_cast<double>(width) - boxes.select(1, 2));
  out.select(1, 2).copy_(static_cast<double>(width) - boxes.select(1, 0));
  return out;
}

}  // namespace

Scene composed(const std::vector<PlacedScene>& parts, const SceneFrame& frame, const SceneAbout& about, bool mirrored,
               double least_visible) {
  Scene out;
  out.image = torch::empty({frame.height, frame.width, 3}, torch::kUInt8);
  std::memset(out.image.data_ptr(), frame.fill, static_cast<size_t>(out.image.numel()));
  const Window edges = {0, 0, static_cast<double>(frame.width), static_cast<double>(frame.height)};
  const auto points = std::ssize(about.keypoints);
  const auto swap = mirrored ? about.swap : std::vector<int64_t>{};
  std::vector<Objects> objects;
  int64_t count = 0;
  for (const auto& part : parts) {
    warp_onto(out.image, part.scene.image.contiguous(), part.window, part.forward);
    objects.push_back(visible(part, edges, least_visible));
    count += std::ssize(objects.back().from);
  }
  out.boxes = torch::empty({count, 4});
  out.labels = torch::empty({count}, torch::kInt64);
  out.crowd = torch::zeros({count}, torch::kBool);
  if (points > 0) out.keypoints = torch::zeros({count, points, 3});
  if (frame.masks) {
    out.masks = torch::empty({count, frame.height, frame.width}, torch::kUInt8);
    std::memset(out.masks.data_ptr(), 0, static_cast<size_t>(out.masks.numel()));
  }
  std::vector<int64_t> kept;
  int64_t n = 0;
  for (size_t p = 0; p < parts.size(); ++p) {
    const auto& part = parts[p];
    for (size_t i = 0; i < objects[p].from.size(); ++i, ++n) {
      const auto object = objects[p].from[i];
      auto* box = out.boxes.data_ptr<float>() + 4 * n;
      std::copy_n(&objects[p].boxes[4 * i], 4, box);
      out.labels.data_ptr<int64_t>()[n] = part.scene.labels.const_data_ptr<int64_t>()[object];
      if (points > 0 && part.scene.keypoints.defined())
        move_keypoints(part, object, edges, swap, out.keypoints.data_ptr<float>() + n * points * 3);
      bool seen = true;
      if (frame.masks && part.scene.masks.defined()) {
        auto mask = out.masks[n];
        warp_mask_onto(mask, part.scene.masks[object], part.window, part.forward, {box[0], box[1], box[2], box[3]});
        seen = tighten(mask.const_data_ptr<uint8_t>(), frame.height, frame.width, box);
      }
      if (seen) kept.push_back(n);
    }
  }
  if (std::ssize(kept) == count) return out;
  const auto rows = torch::tensor(kept, torch::kInt64);
  return {out.image,
          picked(out.boxes, rows),
          picked(out.labels, rows),
          picked(out.masks, rows),
          picked(out.keypoints, rows),
          picked(out.crowd, rows)};
}

Scene mixed(const Scene& a, const Scene& b, double share) {
  require(a.image.sizes() == b.image.sizes(), "[mixup] wants two pictures of one size");
  Scene out;
  out.image = torch::empty_like(a.image);
  const auto part = static_cast<int32_t>(std::lround(256 * share));
  const auto *x = a.image.const_data_ptr<uint8_t>(), *y = b.image.const_data_ptr<uint8_t>();
  std::transform(x, x + a.image.numel(), y, out.image.data_ptr<uint8_t>(), [part](uint8_t p, uint8_t q) {
    return static_cast<uint8_t>((p * part + q * (256 - part) + 128) >> 8);
  });
  out.boxes = joined_rows(a.boxes, b.boxes);
  out.labels = joined_rows(a.labels, b.labels);
  out.masks = joined_rows(a.masks, b.masks);
  out.keypoints = joined_rows(a.keypoints, b.keypoints);
  out.crowd = joined_rows(a.crowd, b.crowd);
  return out;
}

Scene pasted(const Scene& onto, const Scene& from, double p, const std::vector<int64_t>& swap, Random& random) {
  require(onto.masks.defined() && from.masks.defined() && onto.image.sizes() == from.image.sizes(),
          "[copy_paste] wants two pictures of one size, both with masks");
  const auto height = onto.image.size(0), width = onto.image.size(1);
  const auto boxes = mirrored_boxes(from.boxes, width);
  const auto read = [](const Tensor& t, int64_t i) {
    const auto* b = t.const_data_ptr<float>() + 4 * i;
    return Window{b[0], b[1], b[2], b[3]};
  };
  std::vector<Window> there;
  for (int64_t i = 0; i < onto.boxes.size(0); ++i) there.push_back(read(onto.boxes, i));
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    if (!random.chance(p)) continue;
    const auto box = read(boxes, i);
    const bool free = std::all_of(there.begin(), there.end(), [&](const Window& other) {
      return area_of(other) <= 0 || area_of(common(box, other)) < kMostCovered * area_of(other);
    });
    if (free) chosen.push_back(i), there.push_back(box);
  }
  if (chosen.empty()) return onto;
  const auto rows = torch::tensor(chosen, torch::kInt64);
  auto out = onto;
  out.image = onto.image.clone();
  out.masks = onto.masks.clone();
  const auto masks = from.masks.index_select(0, rows).flip(2).contiguous();
  for (int64_t n = 0; n < masks.size(0); ++n) {
    const auto box = read(boxes, chosen[n]);
    for (auto y = std::max<int64_t>(0, static_cast<int64_t>(box[1]));
         y < std::min<int64_t>(height, static_cast<int64_t>(box[3]) + 1); ++y)
      for (auto x = std::max<int64_t>(0, static_cast<int64_t>(box[0]));
           x < std::min<int64_t>(width, static_cast<int64_t>(box[2]) + 1); ++x) {
        if (!masks.const_data_ptr<uint8_t>()[(n * height + y) * width + x]) continue;
        std::copy_n(from.image.const_data_ptr<uint8_t>() + (y * width + width - 1 - x) * 3, 3,
                    out.image.data_ptr<uint8_t>() + (y * width + x) * 3);
        for (int64_t m = 0; m < out.masks.size(0); ++m)  // what lies behind is hidden there
          out.masks.data_ptr<uint8_t>()[(m * height + y) * width + x] = 0;
      }
  }
  Scene more;
  more.boxes = boxes.index_select(0, rows);
  if (from.keypoints.defined()) {
    more.keypoints = from.keypoints.index_select(0, rows).clone();
    auto x = more.keypoints.select(2, 0);
    x.copy_(torch::where(more.keypoints.select(2, 2) > 0, static_cast<double>(width) - x, torch::zeros_like(x)));
    if (!swap.empty()) more.keypoints = more.keypoints.index_select(1, torch::tensor(swap, torch::kInt64));
  }
  out.boxes = joined_rows(onto.boxes, more.boxes);
  out.labels = joined_rows(onto.labels, from.labels.index_select(0, rows));
  out.masks = joined_rows(out.masks, masks);
  out.keypoints = joined_rows(onto.keypoints, more.keypoints);
  out.crowd = joined_rows(onto.crowd, picked(from.crowd, rows));
  return out;
}

}  // namespace hadal
