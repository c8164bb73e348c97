// What RoIAlign and RoIPool share: checks, types, and the loops' order.
#pragma once
#include <vector>

#include "hadal/core/parallel.h"
#include "hadal/core/shape.h"

namespace hadal::roi_detail {

inline void check(const char* where, const Tensor& features, const Tensor& regions, int64_t height, int64_t width) {
  expect_shape(where, features, {kAny, kAny, kAny, kAny});
  expect_shape(where, regions, {kAny, 5});
  require(height > 0 && width > 0, "[{}] height and width must be at least 1, got {} and {}", where, height, width);
  if (regions.size(0) == 0) return;
  const auto pictures = regions.select(1, 0);
  const auto low = pictures.min().item<double>(), high = pictures.max().item<double>();
  if (!(low >= 0 && high < static_cast<double>(features.size(0))))
    fail("[{}] regions name pictures {} to {}, but there are {}", where, low, high, features.size(0));
}

/// On the CPU, in float or, where features are doubles, double.
inline Tensor at_hand(const Tensor& t, torch::Dtype of) {
  return t.to(torch::kCPU, of == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32).contiguous();
}

/// The regions of each of `pictures` pictures, in order: who sums gradients goes through them so, on one thread a
/// plane.
template <class T>
std::vector<std::vector<int64_t>> by_picture(const Tensor& regions, int64_t pictures) {
  std::vector<std::vector<int64_t>> out(static_cast<size_t>(pictures));
  const auto* at = regions.const_data_ptr<T>();
  for (int64_t r = 0; r < regions.size(0); ++r) out[static_cast<size_t>(at[5 * r])].push_back(r);
  return out;
}

}  // namespace hadal::roi_detail
