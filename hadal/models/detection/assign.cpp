#include "hadal/models/detection/assign.h"

#include <cmath>

#include "hadal/core/shape.h"

namespace hadal {

Tensor Matcher::operator()(const Tensor& overlaps) const {
  if (overlaps.size(0) == 0)
    return torch::full({overlaps.size(1)}, kBackground, overlaps.options().dtype(torch::kInt64));
  const auto [best, object] = overlaps.max(0);
  auto out = object.masked_fill(best < low, kBackground).masked_fill((best >= low) & (best < high), kBetween);
  if (all_objects) {
    // What overlaps nothing is nobody's nearest, or else all boxes would be.
    const auto nearest = (overlaps.eq(std::get<0>(overlaps.max(1, true))) & overlaps.gt(0)).any(0);
    out = torch::where(nearest, object, out);
  }
  return out;
}

std::pair<Tensor, Tensor> Sampler::operator()(const Tensor& labels) const {
  const auto places = [](const Tensor& mask) { return mask.nonzero().squeeze(1); };
  const auto with = places(labels >= 1), without = places(labels == 0);
  const auto some = std::min(with.size(0), static_cast<int64_t>(static_cast<double>(count) * share));
  const auto others = std::min(without.size(0), count - some);
  const auto drawn = [](const Tensor& from, int64_t number) {
    const auto order = torch::randperm(from.size(0), torch::kInt64).slice(0, 0, number).to(from.device());
    return std::get<0>(from.index_select(0, order).sort());
  };
  auto first = drawn(with, some);  // in this order, whatever the compiler's is for arguments
  return {std::move(first), drawn(without, others)};
}

Tensor BoxCoder::encode(const Tensor& wanted, const Tensor& from) const {
  const auto a = wanted.unbind(1), b = from.unbind(1);
  const auto width = b[2] - b[0], height = b[3] - b[1];
  const auto x = (a[0] + a[2] - b[0] - b[2]) * 0.5, y = (a[1] + a[3] - b[1] - b[3]) * 0.5;
  return torch::stack({x / width * weights[0], y / height * weights[1], torch::log((a[2] - a[0]) / width) * weights[2],
                       torch::log((a[3] - a[1]) / height) * weights[3]},
                      1);
}

Tensor BoxCoder::decode(const Tensor& deltas, const Tensor& boxes) const {
  const auto from = boxes.to(deltas.scalar_type());
  const auto low = from.slice(1, 0, 2).unsqueeze(1);         // (N, 1, 2)
  const auto side = from.slice(1, 2, 4).unsqueeze(1) - low;  // width, height
  const auto d = deltas.reshape({from.size(0), deltas.size(1) / 4, 4});
  const auto by = torch::tensor({weights[0], weights[1], weights[2], weights[3]}, torch::kFloat64).to(d.options());
  const auto moved = d.slice(2, 0, 2) / by.slice(0, 0, 2), grown = d.slice(2, 2, 4) / by.slice(0, 2, 4);
  const auto centre = low + 0.5 * side + moved * side;
  const auto half = 0.5 * torch::exp(grown.clamp_max(std::log(1000.0 / 16))) * side;
  return torch::cat({centre - half, centre + half}, 2);
}

std::vector<PictureTargets> by_picture(const char* where, const Targets& targets, int64_t pictures, int64_t classes,
                                       const Tensor& like) {
  expect_shape(where, targets.boxes, {kAny, 4});
  const auto count = targets.boxes.size(0);
  expect_shape(where, targets.labels, {count});
  expect_shape(where, targets.owner, {count});
  if (targets.masks.defined()) expect_shape(where, targets.masks, {count, kAny, kAny});
  if (targets.keypoints.defined()) expect_shape(where, targets.keypoints, {count, kAny, 3});
  std::vector<PictureTargets> out(static_cast<size_t>(pictures));
  if (count > 0) {
    const auto low = targets.labels.min().item<int64_t>(), high = targets.labels.max().item<int64_t>();
    if (low < 0 || high >= classes) fail("[{}] labels {} to {} are not all of {} classes", where, low, high, classes);
    const auto sides = targets.boxes.slice(1, 2, 4) - targets.boxes.slice(1, 0, 2);
    const auto flat = sides.gt(0).all(1).logical_not().nonzero();
    if (flat.size(0) > 0) {
      const auto box = targets.boxes[flat[0][0].item<int64_t>()].to(torch::kCPU, torch::kFloat64);
      const auto* at = box.const_data_ptr<double>();
      fail("[{}] box {} ({}, {}, {}, {}) has no area", where, flat[0][0].item<int64_t>(), at[0], at[1], at[2], at[3]);
    }
  }
  const auto owner = targets.owner.to(torch::kCPU, torch::kInt64).contiguous();
  const auto* whose = owner.const_data_ptr<int64_t>();
  int64_t first = 0;
  for (int64_t picture = 0; picture < pictures; ++picture) {
    auto last = first;
    while (last < count && whose[last] == picture) ++last;
    auto& part = out[static_cast<size_t>(picture)];
    const auto of = [&](const Tensor& t) { return t.defined() ? t.slice(0, first, last).to(like.device()) : t; };
    part.boxes = of(targets.boxes).to(like.scalar_type());
    part.labels = of(targets.labels).to(torch::kInt64);
    part.masks = of(targets.masks);
    part.keypoints = of(targets.keypoints);
    first = last;
  }
  if (first != count) fail("[{}] owner must rise from 0 to {}, got {} at {}", where, pictures - 1, whose[first], first);
  return out;
}

std::vector<std::pair<int64_t, int64_t>> picture_sizes(const char* where, const Tensor& pixels, const Tensor& sizes) {
  expect_shape(where, pixels, {kAny, 3, kAny, kAny});
  expect_shape(where, sizes, {pixels.size(0), 2});
  const auto here = sizes.to(torch::kCPU, torch::kInt64).contiguous();
  const auto* at = here.const_data_ptr<int64_t>();
  std::vector<std::pair<int64_t, int64_t>> out;
  for (int64_t i = 0; i < pixels.size(0); ++i) {
    const auto height = at[2 * i], width = at[2 * i + 1];
    if (height < 1 || width < 1 || height > pixels.size(2) || width > pixels.size(3))
      fail("[{}] picture {} of {} x {} does not fit into a batch of {} x {}", where, i, height, width, pixels.size(2),
           pixels.size(3));
    out.emplace_back(height, width);
  }
  return out;
}

Tensor without_fill(const Tensor& pixels, const std::vector<std::pair<int64_t, int64_t>>& sizes) {
  auto out = pixels;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const auto [height, width] = sizes[i];
    if (height == pixels.size(2) && width == pixels.size(3)) continue;
    if (out.is_same(pixels)) out = pixels.clone();
    const auto picture = out[static_cast<int64_t>(i)];
    picture.slice(1, height).zero_();
    picture.slice(2, width).zero_();
  }
  return out;
}

Tensor by_anchor(const Tensor& output, int64_t k) {
  const auto batch = output.size(0), height = output.size(2), width = output.size(3);
  return output.view({batch, -1, k, height, width}).permute({0, 3, 4, 1, 2}).reshape({batch, -1, k});
}

}  // namespace hadal
