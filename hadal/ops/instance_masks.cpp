#include "hadal/ops/instance_masks.h"

#include <algorithm>
#include <cmath>

#include "hadal/core/parallel.h"
#include "hadal/core/shape.h"

namespace hadal {
namespace {

/// Which pixels of one side a mask covers, and what each takes of the framed mask's places `low` and `low + 1`.
struct Side {
  struct Tap {
    int64_t low;
    float share;  // of the upper place
  };
  int64_t first = 0, last = 0;
  std::vector<Tap> taps;

  Side(float low, float high, int64_t size, int64_t length) {
    const auto [begin, extent] = pasted_span(low, high, size);
    const auto places = size + 2;
    first = std::clamp<int64_t>(begin, 0, length);
    last = std::clamp<int64_t>(begin + extent, first, length);
    if (extent == 0) return;
    const float step = static_cast<float>(places) / static_cast<float>(extent);
    for (auto i = first; i < last; ++i) {
      const float at = std::max((static_cast<float>(i - begin) + 0.5F) * step - 0.5F, 0.0F);
      const auto below = std::min(static_cast<int64_t>(at), places - 1);
      taps.push_back({below, below == places - 1 ? 0.0F : at - static_cast<float>(below)});
    }
  }
};

}  // namespace

PixelSpan pasted_span(float low, float high, int64_t size) {
  const float half = (high - low) * 0.5F * (static_cast<float>(size + 2) / static_cast<float>(size));
  const float centre = (high + low) * 0.5F;
  if (!(std::isfinite(half) && std::isfinite(centre))) return {};
  const auto whole = [](float at) { return static_cast<int64_t>(std::clamp(at, -16777216.0F, 16777216.0F)); };
  const auto begin = whole(centre - half);
  return {begin, std::max<int64_t>(whole(centre + half) - begin + 1, 1)};
}

Tensor paste_masks(const Tensor& given_masks, const Tensor& given_boxes, int64_t height, int64_t width) {
  const auto masks = given_masks.detach().to(torch::kCPU, torch::kFloat32).contiguous();
  const auto boxes = given_boxes.detach().to(torch::kCPU, torch::kFloat32).contiguous();
  if (masks.dim() != 3 || masks.size(1) != masks.size(2) || masks.size(2) < 1 || boxes.dim() != 2 ||
      boxes.size(1) != 4 || boxes.size(0) != masks.size(0) || height < 0 || width < 0)
    fail("[paste_masks] wants masks (N, m, m), boxes (N, 4) and a picture, got {}, {} and {} x {}", shape_text(masks),
         shape_text(boxes), height, width);
  const auto n = masks.size(0), size = masks.size(1), places = size + 2;
  const auto out = torch::zeros({n, height, width}, torch::kFloat32);
  const auto* box = boxes.const_data_ptr<float>();
  const auto* from = masks.const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<float>();
  parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> framed(static_cast<size_t>(places * places)), line(static_cast<size_t>(places + 1));
    for (auto k = begin; k < end; ++k) {
      std::fill(framed.begin(), framed.end(), 0.0F);
      for (int64_t i = 0; i < size; ++i)
        std::copy_n(from + (k * size + i) * size, size, framed.begin() + (i + 1) * places + 1);
      const Side across(box[4 * k], box[4 * k + 2], size, width), down(box[4 * k + 1], box[4 * k + 3], size, height);
      for (auto y = down.first; y < down.last; ++y) {
        const auto [row, share] = down.taps[static_cast<size_t>(y - down.first)];
        const auto* upper = framed.data() + row * places;
        const auto* lower = framed.data() + std::min(row + 1, places - 1) * places;
        for (int64_t x = 0; x < places; ++x) line[static_cast<size_t>(x)] = (1 - share) * upper[x] + share * lower[x];
        auto* here = to + (k * height + y) * width;
        for (auto x = across.first; x < across.last; ++x) {
          const auto [column, part] = across.taps[static_cast<size_t>(x - across.first)];
          const auto* at = line.data() + column;
          here[x] = (1 - part) * at[0] + part * at[1];
        }
      }
    }
  });
  return out;
}

Tensor masks_to_boxes(const Tensor& given) {
  expect_shape("masks_to_boxes", given, {kAny, kAny, kAny});
  const auto masks = given.detach().to(torch::kCPU).ne(0).contiguous();
  const auto n = masks.size(0), height = masks.size(1), width = masks.size(2);
  const auto out = torch::zeros({n, 4}, torch::kFloat32);
  const auto* from = masks.const_data_ptr<bool>();
  auto* to = out.mutable_data_ptr<float>();
  parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
    for (auto k = begin; k < end; ++k) {
      int64_t left = width, right = 0, top = height, bottom = 0;
      for (int64_t y = 0; y < height; ++y) {
        const auto* row = from + (k * height + y) * width;
        const auto first = std::find(row, row + width, true) - row;
        if (first == width) continue;
        auto last = width - 1;
        while (!row[last]) --last;
        left = std::min(left, first), right = std::max(right, last + 1);
        top = std::min(top, y), bottom = y + 1;
      }
      if (bottom == 0) continue;
      const auto set = [&](int i, int64_t value) { to[4 * k + i] = static_cast<float>(value); };
      set(0, left), set(1, top), set(2, right), set(3, bottom);
    }
  });
  return out.to(given.device());
}

}  // namespace hadal
