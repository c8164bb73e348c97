#include <functional>

#include <fmt/ranges.h>

#include "hadal/data/vision/transforms.h"
#include "hadal/data/vision/transforms_check.h"

namespace hadal {
namespace {

void check_scene(const char* where, const Scene& s) {
  const auto size = size_of(checked_picture(where, s.image));
  const auto check = [&](const Tensor& t, const char* name, bool right, const char* wanted) {
    require(!t.defined() || right, "[{}] the scene's {} must be {}, got {} [{}]", where, name, wanted,
            c10::toString(t.scalar_type()), fmt::join(t.sizes(), ", "));
  };
  const auto is = [](const Tensor& t, int64_t dims, torch::ScalarType type) {
    return t.defined() && t.dim() == dims && t.scalar_type() == type && t.device().is_cpu();
  };
  check(s.boxes, "boxes", is(s.boxes, 2, torch::kFloat32) && s.boxes.size(1) == 4, "float32 (N, 4)");
  check(s.keypoints, "keypoints", is(s.keypoints, 3, torch::kFloat32) && s.keypoints.size(2) == 3, "float32 (N, K, 3)");
  check(s.masks, "masks",
        is(s.masks, 3, torch::kUInt8) && s.masks.size(1) == size.height && s.masks.size(2) == size.width,
        "uint8 (N, H, W) of the picture's size");
  int64_t objects = -1;
  for (const auto* part : {&s.boxes, &s.labels, &s.masks, &s.keypoints}) {
    if (!part->defined()) continue;
    require(objects < 0 || part->size(0) == objects,
            "[{}] boxes, labels, masks and keypoints must be of as many objects, got {} and {}", where, objects,
            part->size(0));
    objects = part->size(0);
  }
}

/// Every mask through an operation on pictures.
Tensor each_mask(const Tensor& masks, ImageSize size, const std::function<Tensor(const Tensor&)>& op) {
  if (!masks.defined()) return {};
  auto out = torch::empty({masks.size(0), size.height, size.width}, torch::kUInt8);
  for (int64_t i = 0; i < masks.size(0); ++i) out[i].copy_(op(masks[i].unsqueeze(-1)).squeeze(-1));
  return out;
}

/// Through x' = m[0] x + m[1] y + m[2] and so on: the box around a box's four corners.
Tensor moved_boxes(const Tensor& boxes, const AffineMatrix& m) {
  if (!boxes.defined()) return {};
  auto out = torch::empty(boxes.sizes(), torch::kFloat32);
  const auto from = boxes.accessor<float, 2>();
  auto to = out.accessor<float, 2>();
  for (int64_t i = 0; i < boxes.size(0); ++i)
    for (int axis = 0; axis < 2; ++axis) {
      double low = m[3 * axis + 2], high = low;
      for (int k = 0; k < 2; ++k) {
        const double a = m[3 * axis + k] * from[i][k], b = m[3 * axis + k] * from[i][k + 2];
        low += std::min(a, b), high += std::max(a, b);
      }
      to[i][axis] = static_cast<float>(low), to[i][axis + 2] = static_cast<float>(high);
    }
  return out;
}

void cut_boxes(Tensor& boxes, ImageSize size) {
  if (!boxes.defined()) return;
  boxes.select(1, 0).clamp_(0, size.width), boxes.select(1, 2).clamp_(0, size.width);
  boxes.select(1, 1).clamp_(0, size.height), boxes.select(1, 3).clamp_(0, size.height);
}

Tensor moved_keypoints(const Tensor& keypoints, const AffineMatrix& m, ImageSize size) {
  if (!keypoints.defined()) return {};
  auto out = torch::zeros(keypoints.sizes(), torch::kFloat32);
  const auto from = keypoints.accessor<float, 3>();
  auto to = out.accessor<float, 3>();
  for (int64_t i = 0; i < keypoints.size(0); ++i)
    for (int64_t k = 0; k < keypoints.size(1); ++k) {
      const double x = m[0] * from[i][k][0] + m[1] * from[i][k][1] + m[2];
      const double y = m[3] * from[i][k][0] + m[4] * from[i][k][1] + m[5];
      const bool inside =
          x >= 0 && y >= 0 && x < static_cast<double>(size.width) && y < static_cast<double>(size.height);
      if (from[i][k][2] <= 0 || !inside) continue;
      to[i][k][0] = static_cast<float>(x), to[i][k][1] = static_cast<float>(y), to[i][k][2] = from[i][k][2];
    }
  return out;
}

/// Puts boxes tight around their masks; an empty mask makes an empty box.
void tighten(Scene& s) {
  if (!s.boxes.defined() || !s.masks.defined()) return;
  for (int64_t i = 0; i < s.masks.size(0); ++i) {
    const auto columns = s.masks[i].any(0).nonzero(), rows = s.masks[i].any(1).nonzero();
    auto box = s.boxes[i];
    if (columns.numel() == 0) {
      box.zero_();
      continue;
    }
    box[0] = columns[0][0].item<int64_t>(), box[2] = columns[-1][0].item<int64_t>() + 1;
    box[1] = rows[0][0].item<int64_t>(), box[3] = rows[-1][0].item<int64_t>() + 1;
  }
}

/// The scene whose picture is `image`, everything else moved by `m` and cut off at the picture's edges.
Scene moved(const Scene& s, Tensor image, const AffineMatrix& m,
            const std::function<Tensor(const Tensor&)>& move_mask) {
  const auto size = size_of(image);
  Scene out{std::move(image),
            moved_boxes(s.boxes, m),
            s.labels,
            each_mask(s.masks, size, move_mask),
            moved_keypoints(s.keypoints, m, size),
            s.crowd};
  cut_boxes(out.boxes, size);
  return out;
}

void swap_keypoints(const char* where, Tensor& keypoints, const std::vector<int64_t>& swap) {
  if (swap.empty() || !keypoints.defined()) return;
  const auto count = keypoints.size(1);
  auto sorted = swap;
  std::sort(sorted.begin(), sorted.end());
  bool complete = std::ssize(swap) == count;
  for (int64_t k = 0; complete && k < count; ++k) complete = sorted[k] == k;
  require(complete, "[{}] the swap table must hold each of 0 to {} once, got [{}]", where, count - 1,
          fmt::join(swap, ", "));
  keypoints = keypoints.index_select(1, torch::tensor(swap));
}

}  // namespace

Scene resize(const Scene& s, int64_t height, int64_t width, Interpolation kind) {
  check_scene("resize", s);
  const auto size = size_of(s.image);
  const double x = static_cast<double>(width) / static_cast<double>(size.width);
  const double y = static_cast<double>(height) / static_cast<double>(size.height);
  return moved(s, resize(s.image, height, width, kind), {x, 0, 0, 0, y, 0},
               [&](const Tensor& mask) { return resize(mask, height, width, Interpolation::nearest); });
}

Scene resize_shorter(const Scene& s, int64_t shorter, Interpolation kind) {
  check_scene("resize_shorter", s);
  const auto size = shorter_side_size(size_of(s.image), shorter);
  return resize(s, size.height, size.width, kind);
}

Scene crop(const Scene& s, const PixelBox& box, uint8_t fill) {
  check_scene("crop", s);
  auto out =
      moved(s, crop(s.image, box, fill), {1, 0, -static_cast<double>(box.left), 0, 1, -static_cast<double>(box.top)},
            [&](const Tensor& mask) { return crop(mask, box); });
  tighten(out);
  return out;
}

Scene center_crop(const Scene& s, int64_t height, int64_t width) {
  check_scene("center_crop", s);
  return crop(s, center_box(size_of(s.image), height, width));
}

Scene resized_crop(const Scene& s, const PixelBox& box, int64_t height, int64_t width, Interpolation kind) {
  return resize(crop(s, box), height, width, kind);
}

Scene pad(const Scene& s, int64_t left, int64_t top, int64_t right, int64_t bottom, uint8_t fill) {
  check_scene("pad", s);
  return moved(s, pad(s.image, left, top, right, bottom, fill),
               {1, 0, static_cast<double>(left), 0, 1, static_cast<double>(top)},
               [&](const Tensor& mask) { return pad(mask, left, top, right, bottom); });
}

Scene hflip(const Scene& s, const std::vector<int64_t>& swap) {
  check_scene("hflip", s);
  auto out = moved(s, hflip(s.image), {-1, 0, static_cast<double>(s.image.size(1)), 0, 1, 0},
                   [](const Tensor& mask) { return hflip(mask); });
  swap_keypoints("hflip", out.keypoints, swap);
  return out;
}

Scene vflip(const Scene& s, const std::vector<int64_t>& swap) {
  check_scene("vflip", s);
  auto out = moved(s, vflip(s.image), {1, 0, 0, 0, -1, static_cast<double>(s.image.size(0))},
                   [](const Tensor& mask) { return vflip(mask); });
  swap_keypoints("vflip", out.keypoints, swap);
  return out;
}

Scene affine(const Scene& s, const Affine& a, Interpolation kind, uint8_t fill) {
  check_scene("affine", s);
  auto out = moved(s, affine(s.image, a, kind, fill), affine_matrix(a, size_of(s.image)),
                   [&](const Tensor& mask) { return affine(mask, a, Interpolation::nearest); });
  tighten(out);
  return out;
}

Scene drop_hidden(const Scene& s, double min_side) {
  check_scene("drop_hidden", s);
  require(s.boxes.defined(), "[drop_hidden] wants a scene with boxes");
  const auto side = s.boxes.slice(1, 2, 4) - s.boxes.slice(1, 0, 2);
  const auto kept = side.amin(1).ge(min_side).nonzero().squeeze(1);
  const auto pick = [&](const Tensor& t) { return t.defined() ? t.index_select(0, kept) : Tensor(); };
  return {s.image, pick(s.boxes), pick(s.labels), pick(s.masks), pick(s.keypoints), pick(s.crowd), pick(s.area)};
}

}  // namespace hadal
