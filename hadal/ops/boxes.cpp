#include "hadal/ops/boxes.h"

#include <algorithm>
#include <cmath>

#include "hadal/core/parallel.h"
#include "hadal/core/shape.h"

namespace hadal {
namespace {

Tensor floats(const char* where, const Tensor& boxes) {
  if (boxes.dim() < 1 || boxes.size(-1) != 4) fail("[{}] wants (..., 4), got {}", where, shape_text(boxes));
  const auto type = boxes.scalar_type();
  return type == torch::kFloat32 || type == torch::kFloat64 ? boxes : boxes.to(torch::kFloat32);
}

template <class T>
void all_pairs(const Tensor& a, const Tensor& b, const Tensor& out) {
  const auto n = a.size(0), m = b.size(0);
  const auto columns = b.t().contiguous();  // (4, M): what lies side by side is computed side by side
  const auto* x1 = columns.const_data_ptr<T>();
  const auto *y1 = x1 + m, *x2 = y1 + m, *y2 = x2 + m;
  const auto* boxes = a.const_data_ptr<T>();
  auto* to = out.mutable_data_ptr<T>();
  parallel_for(0, n, std::max<int64_t>(1, 16384 / std::max<int64_t>(m, 1)), [&](int64_t first, int64_t last) {
    for (auto i = first; i < last; ++i) {
      const T left = boxes[4 * i], top = boxes[4 * i + 1], right = boxes[4 * i + 2], bottom = boxes[4 * i + 3];
      const T area = (right - left) * (bottom - top);
      auto* row = to + i * m;
      for (int64_t j = 0; j < m; ++j) {
        const T width = std::max(std::min(right, x2[j]) - std::max(left, x1[j]), T(0));
        const T height = std::max(std::min(bottom, y2[j]) - std::max(top, y1[j]), T(0));
        const T both = width * height;
        row[j] = both / (area + (x2[j] - x1[j]) * (y2[j] - y1[j]) - both);
      }
    }
  });
}

}  // namespace

Tensor xyxy_from_xywh(const Tensor& boxes) {
  const auto corner = boxes.narrow(-1, 0, 2);
  return torch::cat({corner, corner + boxes.narrow(-1, 2, 2)}, -1);
}

Tensor xyxy_from_cxcywh(const Tensor& boxes) {
  const auto centre = boxes.narrow(-1, 0, 2), half = boxes.narrow(-1, 2, 2) * 0.5;
  return torch::cat({centre - half, centre + half}, -1);
}

Tensor xywh_from_xyxy(const Tensor& boxes) {
  const auto corner = boxes.narrow(-1, 0, 2);
  return torch::cat({corner, boxes.narrow(-1, 2, 2) - corner}, -1);
}

Tensor cxcywh_from_xyxy(const Tensor& boxes) {
  const auto low = boxes.narrow(-1, 0, 2), high = boxes.narrow(-1, 2, 2);
  return torch::cat({(low + high) / 2, high - low}, -1);
}

Tensor box_area(const Tensor& given) {
  const auto boxes = floats("box_area", given);
  return (boxes.select(-1, 2) - boxes.select(-1, 0)) * (boxes.select(-1, 3) - boxes.select(-1, 1));
}

Tensor clip_boxes(const Tensor& boxes, double height, double width) {
  const auto at = boxes.unbind(-1);
  return torch::stack({at[0].clamp(0, width), at[1].clamp(0, height), at[2].clamp(0, width), at[3].clamp(0, height)},
                      -1);
}

Tensor large_boxes(const Tensor& boxes, double shortest) {
  return (boxes.narrow(-1, 2, 2) - boxes.narrow(-1, 0, 2)).ge(shortest).all(-1);
}

Tensor box_iou(const Tensor& first, const Tensor& second) {
  auto a = floats("box_iou", first), b = floats("box_iou", second);
  if (a.dim() != 2 || b.dim() != 2)
    fail("[box_iou] wants (N, 4) and (M, 4), got {} and {}", shape_text(first), shape_text(second));
  const auto type = at::promote_types(a.scalar_type(), b.scalar_type());
  a = a.to(type), b = b.to(type);
  const bool with_gradient = at::GradMode::is_enabled() && (a.requires_grad() || b.requires_grad());
  if (a.is_cpu() && b.is_cpu() && !with_gradient) {
    const auto out = torch::empty({a.size(0), b.size(0)}, a.options());
    if (type == torch::kFloat64)
      all_pairs<double>(a.detach().contiguous(), b.detach(), out);
    else
      all_pairs<float>(a.detach().contiguous(), b.detach(), out);
    return out;
  }
  const auto low = torch::max(a.unsqueeze(1).narrow(-1, 0, 2), b.narrow(-1, 0, 2));
  const auto high = torch::min(a.unsqueeze(1).narrow(-1, 2, 2), b.narrow(-1, 2, 2));
  const auto both = (high - low).clamp_min(0).prod(-1);
  return both / (box_area(a).unsqueeze(1) + box_area(b) - both);
}

Tensor box_overlap(const Tensor& first, const Tensor& second, Overlap kind, double eps) {
  const auto a = floats("box_overlap", first).unbind(-1), b = floats("box_overlap", second).unbind(-1);
  const auto width_a = a[2] - a[0], height_a = a[3] - a[1], width_b = b[2] - b[0], height_b = b[3] - b[1];
  const auto width = torch::min(a[2], b[2]) - torch::max(a[0], b[0]);
  const auto height = torch::min(a[3], b[3]) - torch::max(a[1], b[1]);
  const auto both = width.clamp_min(0) * height.clamp_min(0);
  const auto either = width_a * height_a + width_b * height_b - both;
  const auto iou = both / (either + eps);
  if (kind == Overlap::iou) return iou;
  const auto hull_width = torch::max(a[2], b[2]) - torch::min(a[0], b[0]);
  const auto hull_height = torch::max(a[3], b[3]) - torch::min(a[1], b[1]);
  if (kind == Overlap::giou) {
    const auto hull = hull_width * hull_height;
    return iou - (hull - either) / (hull + eps);
  }
  const auto apart = ((b[0] + b[2] - a[0] - a[2]).square() + (b[1] + b[3] - a[1] - a[3]).square()) / 4;
  const auto diou = iou - apart / (hull_width.square() + hull_height.square() + eps);
  if (kind == Overlap::diou) return diou;
  // Without eps a box of no height would have no aspect ratio, and NaN would reach every weight.
  const auto angle = torch::atan(width_b / (height_b + eps)) - torch::atan(width_a / (height_a + eps));
  const auto v = angle.square() * (4 / (M_PI * M_PI));
  const auto alpha = (v.detach() / (1 - iou.detach() + v.detach() + eps));
  return diou - alpha * v;
}

}  // namespace hadal
