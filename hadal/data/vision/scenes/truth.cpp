// From labels as files have them to tensors.
#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include "hadal/core/error.h"
#include "hadal/data/vision/scenes/file_scenes.h"
#include "hadal/data/vision/scenes/scene_view.h"
#include "hadal/data/vision/scenes/warp.h"
#include "hadal/ops/rle.h"

namespace hadal {
namespace {

struct Sides {
  float x, y;
};
Sides unit_of(bool relative, int64_t width, int64_t height) {
  return relative ? Sides{static_cast<float>(width), static_cast<float>(height)} : Sides{1, 1};
}

void fill_keypoints(const ObjectLabel& object, Sides unit, int64_t width, int64_t height, float* out) {
  for (size_t k = 0; k + 2 < object.keypoints.size(); k += 3) {
    const auto x = object.keypoints[k] * unit.x, y = object.keypoints[k + 1] * unit.y, seen = object.keypoints[k + 2];
    if (seen <= 0 || x < 0 || y < 0 || x > static_cast<float>(width) || y > static_cast<float>(height)) continue;
    out[k] = x, out[k + 1] = y, out[k + 2] = seen >= 2 ? 2.0f : 1.0f;
  }
}

}  // namespace

SceneTruth truth_of(const SceneRecord& record, const SceneAbout& about, int64_t width, int64_t height,
                    std::vector<int64_t>* kept) {
  const auto unit = unit_of(record.relative, width, height);
  const auto right = static_cast<float>(width), bottom = static_cast<float>(height);
  std::vector<int64_t> objects;
  std::vector<float> boxes;
  for (size_t i = 0; i < record.objects.size(); ++i) {
    const auto& b = record.objects[i].box;
    const float box[] = {std::clamp(b[0] * unit.x, 0.0f, right), std::clamp(b[1] * unit.y, 0.0f, bottom),
                         std::clamp(b[2] * unit.x, 0.0f, right), std::clamp(b[3] * unit.y, 0.0f, bottom)};
    if (!(box[2] > box[0] && box[3] > box[1])) continue;
    objects.push_back(static_cast<int64_t>(i));
    boxes.insert(boxes.end(), box, box + 4);
  }
  const auto n = std::ssize(objects), points = std::ssize(about.keypoints);
  SceneTruth out{width, height, torch::empty({n, 4}), torch::empty({n}, torch::kInt64), {}, {}, torch::empty({n})};
  out.crowd = torch::empty({n}, torch::kBool);
  if (points > 0) out.keypoints = torch::zeros({n, points, 3});
  std::copy(boxes.begin(), boxes.end(), out.boxes.data_ptr<float>());
  for (int64_t i = 0; i < n; ++i) {
    const auto& object = record.objects[objects[i]];
    const auto* box = &boxes[4 * i];
    out.labels.data_ptr<int64_t>()[i] = object.label;
    out.crowd.data_ptr<bool>()[i] = object.crowd;
    out.area.data_ptr<float>()[i] = object.area >= 0 ? object.area : (box[2] - box[0]) * (box[3] - box[1]);
    if (points > 0) fill_keypoints(object, unit, width, height, out.keypoints.data_ptr<float>() + i * points * 3);
  }
  if (kept) *kept = std::move(objects);
  return out;
}

Instances instances_of(const Tensor& label_picture) {
  const auto height = label_picture.size(0), width = label_picture.size(1);
  struct Extent {
    int64_t left, top, right, bottom, area;
  };
  std::map<int32_t, Extent> found;
  const auto* pixels = label_picture.const_data_ptr<int32_t>();
  int32_t last = 0;
  Extent* extent = nullptr;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const auto number = pixels[y * width + x];
      if (number == 0) continue;
      if (number != last || !extent) {
        extent = &found.try_emplace(number, Extent{x, y, x, y, 0}).first->second;
        last = number;
      }
      extent->left = std::min(extent->left, x), extent->right = std::max(extent->right, x + 1);
      extent->bottom = y + 1, ++extent->area;
    }
  const auto n = std::ssize(found);
  Instances out{torch::empty({n, 4}), torch::empty({n}), torch::empty({height, width}, torch::kInt32)};
  std::unordered_map<int32_t, int32_t> order = {{0, 0}};
  int32_t next = 0;
  auto* boxes = out.boxes.data_ptr<float>();
  for (const auto& [number, e] : found) {
    for (const auto side : {e.left, e.top, e.right, e.bottom}) *boxes++ = static_cast<float>(side);
    out.area.data_ptr<float>()[next] = static_cast<float>(e.area);
    order[number] = ++next;
  }
  auto* numbered = out.numbered.data_ptr<int32_t>();
  int32_t before = 0, as = 0;
  for (int64_t i = 0; i < height * width; ++i) {
    if (pixels[i] != before) before = pixels[i], as = order.at(before);
    numbered[i] = as;
  }
  return out;
}

Tensor mask_of(const ObjectLabel& object, bool relative, int64_t full_height, int64_t full_width, int64_t height,
               int64_t width, std::string_view name) {
  if (object.mask.polygons.empty()) {
    if (object.mask.height != full_height || object.mask.width != full_width)
      throw FileError(name, fmt::format("a mask of {} x {} does not fit the picture of {} x {}", object.mask.height,
                                        object.mask.width, full_height, full_width));
    const auto mask = rle_decode(rle_from_string(object.mask.runs, full_height, full_width, name));
    return resize(mask.unsqueeze(2), height, width, Interpolation::nearest).squeeze(2);
  }
  const auto x = real(width) / (relative ? 1 : real(full_width)), y = real(height) / (relative ? 1 : real(full_height));
  std::vector<std::vector<double>> polygons;
  for (const auto& polygon : object.mask.polygons) {
    auto& out = polygons.emplace_back(polygon.begin(), polygon.end());
    for (size_t i = 0; i < out.size(); ++i) out[i] *= i % 2 ? y : x;
  }
  return rle_decode(rle_from_polygons(polygons, height, width, name));
}

ImageSize shrunk_size(ImageSize size, int64_t longest) {
  const auto longer = std::max(size.height, size.width);
  if (longest <= 0 || longer <= longest) return size;
  const auto side = [&](int64_t length) {
    return std::max<int64_t>(1, std::lround(real(length) * real(longest) / real(longer)));
  };
  return {side(size.height), side(size.width)};
}

Tensor scaled_boxes(const Tensor& boxes, ImageSize from, ImageSize to) {
  if (!boxes.defined() || from == to) return boxes;
  const auto x = real(to.width) / real(from.width), y = real(to.height) / real(from.height);
  return boxes * torch::tensor({x, y, x, y}, torch::kFloat32);
}

Tensor scaled_keypoints(const Tensor& keypoints, ImageSize from, ImageSize to) {
  if (!keypoints.defined() || from == to) return keypoints;
  const auto x = real(to.width) / real(from.width), y = real(to.height) / real(from.height);
  return keypoints * torch::tensor({x, y, 1.0}, torch::kFloat32);
}

Scene SceneData::part(int64_t index, const PixelBox& box, const Tensor& rows, bool masks) const {
  auto scene = get(index, {.masks = masks});
  for (auto* member : {&scene.boxes, &scene.labels, &scene.masks, &scene.keypoints, &scene.crowd, &scene.area})
    if (member->defined()) *member = member->index_select(0, rows);
  return crop(scene, box);
}

Scene shrunk(const Scene& scene, int64_t longest) {
  const auto size = size_of(scene.image), to = shrunk_size(size, longest);
  if (size == to) return scene;
  auto out = resize(scene, to.height, to.width);
  out.area = scene.area;
  return out;
}

}  // namespace hadal
