#include <algorithm>
#include <cmath>

#include <torch/csrc/autograd/custom_function.h>

#include "hadal/ops/roi.h"
#include "hadal/ops/roi_common.h"

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// A bin's pixels along one side of a region, within the features.
template <class T>
std::pair<int64_t, int64_t> bin_of(int64_t bin, int64_t bins, int64_t low, int64_t extent, int64_t length) {
  const T size = static_cast<T>(extent) / static_cast<T>(bins);
  const auto first = static_cast<int64_t>(std::floor(static_cast<T>(bin) * size)) + low;
  const auto last = static_cast<int64_t>(std::ceil(static_cast<T>(bin + 1) * size)) + low;
  return {std::clamp<int64_t>(first, 0, length), std::clamp<int64_t>(last, 0, length)};
}

/// The largest values and where in its plane each stands; -1: nowhere.
template <class T>
void pool(const Tensor& features, const Tensor& boxes, double scale, const Tensor& out, const Tensor& places) {
  const auto channels = features.size(1), height = features.size(2), width = features.size(3);
  const auto tall = out.size(2), wide = out.size(3);
  const auto* from = features.const_data_ptr<T>();
  const auto* at = boxes.const_data_ptr<T>();
  auto* to = out.mutable_data_ptr<T>();
  auto* place = places.mutable_data_ptr<int64_t>();
  parallel_for(0, boxes.size(0), 1, [&](int64_t begin, int64_t end) {
    for (auto r = begin; r < end; ++r) {
      const auto* box = at + 5 * r;
      const auto pixel = [&](int side) {
        const auto limit = static_cast<T>(1 << 24);  // a hostile box must not overflow
        return static_cast<int64_t>(std::clamp(std::round(box[side] * static_cast<T>(scale)), -limit, limit));
      };
      const auto x = pixel(1), y = pixel(2);
      const auto across = std::max<int64_t>(pixel(3) - x + 1, 1), down = std::max<int64_t>(pixel(4) - y + 1, 1);
      for (int64_t c = 0; c < channels; ++c) {
        const auto* plane = from + (static_cast<int64_t>(box[0]) * channels + c) * height * width;
        for (int64_t i = 0; i < tall; ++i) {
          const auto [top, bottom] = bin_of<T>(i, tall, y, down, height);
          for (int64_t j = 0; j < wide; ++j) {
            const auto [left, right] = bin_of<T>(j, wide, x, across, width);
            int64_t best = -1;
            for (auto row = top; row < bottom; ++row)
              for (auto column = left; column < right; ++column)
                if (best < 0 || plane[row * width + column] > plane[best]) best = row * width + column;
            const auto here = ((r * channels + c) * tall + i) * wide + j;
            to[here] = best < 0 ? T(0) : plane[best];
            place[here] = best;
          }
        }
      }
    }
  });
}

template <class T>
void pool_back(const Tensor& gradient, const Tensor& boxes, const Tensor& places, const Tensor& out) {
  const auto channels = out.size(1), plane = out.size(2) * out.size(3);
  const auto bins = gradient.size(2) * gradient.size(3);
  const auto of_picture = roi_detail::by_picture<T>(boxes, out.size(0));
  const auto* from = gradient.const_data_ptr<T>();
  const auto* place = places.const_data_ptr<int64_t>();
  auto* to = out.mutable_data_ptr<T>();
  parallel_for(0, out.size(0) * channels, 1, [&](int64_t begin, int64_t end) {
    for (auto p = begin; p < end; ++p)
      for (const auto r : of_picture[static_cast<size_t>(p / channels)]) {
        const auto first = (r * channels + p % channels) * bins;
        for (auto i = first; i < first + bins; ++i)
          if (place[i] >= 0) to[p * plane + place[i]] += from[i];
      }
  });
}

struct Pool : torch::autograd::Function<Pool> {
  static Tensor forward(AutogradContext* context, const Tensor& features, const Tensor& boxes, int64_t height,
                        int64_t width, double scale) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto out = torch::empty({boxes.size(0), features.size(1), height, width}, features.options());
    const auto places = torch::empty(out.sizes(), torch::kInt64);
    if (features.scalar_type() == torch::kFloat64)
      pool<double>(features, boxes, scale, out, places);
    else
      pool<float>(features, boxes, scale, out, places);
    context->saved_data["boxes"] = boxes;
    context->saved_data["places"] = places;
    context->saved_data["shape"] = features.sizes().vec();
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require(!at::GradMode::is_enabled(), "[roi_pool] has no second derivative");
    const auto boxes = context->saved_data["boxes"].toTensor(), places = context->saved_data["places"].toTensor();
    const auto gradient = gradients[0].contiguous();
    const auto out = torch::zeros(context->saved_data["shape"].toIntVector(), gradient.options());
    if (gradient.scalar_type() == torch::kFloat64)
      pool_back<double>(gradient, boxes, places, out);
    else
      pool_back<float>(gradient, boxes, places, out);
    return {out, Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor roi_pool(const Tensor& features, const Tensor& regions, int64_t height, int64_t width, double scale) {
  roi_detail::check("roi_pool", features, regions, height, width);
  const auto type = features.scalar_type();
  return Pool::apply(roi_detail::at_hand(features, type), roi_detail::at_hand(regions.detach(), type), height, width,
                     scale)
      .to(features.device(), type);
}

}  // namespace hadal
