// Masks that are sums of prototypes, looked at within their objects' boxes alone: an object covers a small part of a
// picture, and whole masks, most of them cut away again, would be most of a training step where objects are many.
#pragma once
#include <vector>

#include <torch/torch.h>

namespace hadal::yolo {

/// The cells of an object's box, and which of the learners learn it.
struct MaskRegion {
  int64_t picture, object;
  int64_t learner, learners;  // the first, and how many
  int64_t top, left, rows, columns;

  int64_t cells() const { return rows * columns; }
  /// (..., all rows, all columns) -> (..., rows, columns), a view.
  torch::Tensor of(const torch::Tensor& planes) const {
    return planes.slice(-2, top, top + rows).slice(-1, left, left + columns);
  }
  /// (learners, ...) of all, a view.
  torch::Tensor rows_of(const torch::Tensor& all) const { return all.slice(0, learner, learner + learners); }
};

/// `objects` (F) int64: whom each learner learns, sorted. `boxes` (T, 4): the objects', in cells; a cell (row, column)
/// belongs to the box from its own corner on: left <= column < right. `owner` (T) int64: the objects' pictures. `rows`,
/// `columns`: the prototypes'.
std::vector<MaskRegion> mask_regions(const torch::Tensor& objects, const torch::Tensor& boxes,
                                     const torch::Tensor& owner, int64_t rows, int64_t columns);

/// Each learner's mask in its region, row by row, one learner after the other: (cells of all) like `coefficients`.
/// `coefficients` (F, K) in the order of `objects`; `prototypes` (B, K, rows, columns). Differentiable once.
torch::Tensor logits_within(const torch::Tensor& coefficients, const torch::Tensor& prototypes,
                            const std::vector<MaskRegion>& regions);

}  // namespace hadal::yolo
