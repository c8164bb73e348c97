// A sample's bilinear weights are a product of one along y and one along x, and so is a bin's mean of samples: each
// region is two small matrices, rows of bins by rows of features and the same for columns, around the features. Few
// values lie off a band, so only the band is kept.
#include <algorithm>
#include <cmath>

#include <torch/csrc/autograd/custom_function.h>

#include "hadal/ops/roi.h"
#include "hadal/ops/roi_common.h"

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// For each bin along one side: the first place that counts, and weights from there on.
template <class T>
struct Band {
  std::vector<int64_t> first;  // a bin
  std::vector<int64_t> start;  // a bin, and the end: where its weights begin
  std::vector<T> weights;
  int64_t low = 0, high = 0;  // places that any bin looks at

  /// Bins of `size` from `begin`, `samples` in each, over `length` places.
  Band(int64_t bins, T begin, T size, int64_t samples, int64_t length) : low(length) {
    std::vector<T> line;
    start.push_back(0);
    for (int64_t bin = 0; bin < bins; ++bin) {
      int64_t from = length, to = 0;
      const auto each = [&](const auto& sample) {
        for (int64_t i = 0; i < samples; ++i) {
          T at = begin + static_cast<T>(bin) * size + (static_cast<T>(i) + T(0.5)) * size / static_cast<T>(samples);
          if (!(at >= -1 && at <= static_cast<T>(length))) continue;  // outside: counts as 0
          at = std::max(at, T(0));
          auto below = static_cast<int64_t>(at);
          if (below >= length - 1)
            sample(length - 1, T(1), length - 1, T(0));
          else
            sample(below, T(1) - (at - static_cast<T>(below)), below + 1, at - static_cast<T>(below));
        }
      };
      each([&](int64_t a, T, int64_t b, T) { from = std::min(from, a), to = std::max(to, b + 1); });
      line.assign(static_cast<size_t>(std::max<int64_t>(to - from, 0)), T(0));
      each([&](int64_t a, T of_a, int64_t b, T of_b) {
        line[static_cast<size_t>(a - from)] += of_a / static_cast<T>(samples);
        line[static_cast<size_t>(b - from)] += of_b / static_cast<T>(samples);
      });
      if (!line.empty()) low = std::min(low, from), high = std::max(high, to);
      first.push_back(from);
      weights.insert(weights.end(), line.begin(), line.end());
      start.push_back(static_cast<int64_t>(weights.size()));
    }
    low = std::min(low, high);
  }

  int64_t count(size_t bin) const { return start[bin + 1] - start[bin]; }
  const T* of(size_t bin) const { return weights.data() + start[bin]; }
};

template <class T>
struct Region {
  int64_t picture;
  Band<T> rows, columns;
};

template <class T>
std::vector<Region<T>> regions_of(const Tensor& boxes, int64_t height, int64_t width, const RoiAlign& how) {
  std::vector<std::optional<Region<T>>> made(static_cast<size_t>(boxes.size(0)));
  const auto* at = boxes.const_data_ptr<T>();
  const auto band = [&](T low, T high, int64_t bins, int64_t length) {
    const T scale = static_cast<T>(how.scale), offset = how.aligned ? T(0.5) : T(0);
    const T begin = low * scale - offset;
    T extent = high * scale - offset - begin;
    if (!how.aligned) extent = std::max(extent, T(1));
    auto samples = how.samples;
    // A hostile box must not ask for billions of samples: of a bin so much larger than the features little is left.
    if (samples <= 0)
      samples =
          static_cast<int64_t>(std::min(std::ceil(extent / static_cast<T>(bins)), static_cast<T>(4 * (length + 16))));
    return Band<T>(bins, begin, extent / static_cast<T>(bins), std::max<int64_t>(samples, 0), length);
  };
  parallel_for(0, boxes.size(0), 16, [&](int64_t first, int64_t last) {
    for (auto r = first; r < last; ++r) {
      const auto* box = at + 5 * r;
      made[static_cast<size_t>(r)] = Region<T>{static_cast<int64_t>(box[0]), band(box[2], box[4], how.height, height),
                                               band(box[1], box[3], how.width, width)};
    }
  });
  std::vector<Region<T>> out;
  out.reserve(made.size());
  for (auto& region : made) out.push_back(std::move(*region));
  return out;
}

template <class T>
void align(const Tensor& features, const std::vector<Region<T>>& regions, const Tensor& out) {
  const auto channels = features.size(1), height = features.size(2), width = features.size(3);
  const auto tall = out.size(2), wide = out.size(3);
  const auto* from = features.const_data_ptr<T>();
  auto* to = out.mutable_data_ptr<T>();
  parallel_for(0, static_cast<int64_t>(regions.size()), 1, [&](int64_t begin, int64_t end) {
    std::vector<T> line(static_cast<size_t>(width));
    for (auto r = begin; r < end; ++r) {
      const auto& [picture, rows, columns] = regions[static_cast<size_t>(r)];
      const auto low = columns.low, count = columns.high - columns.low;
      for (int64_t c = 0; c < channels; ++c) {
        const auto* plane = from + (picture * channels + c) * height * width;
        for (int64_t y = 0; y < tall; ++y) {
          std::fill_n(line.begin(), count, T(0));
          const auto bin = static_cast<size_t>(y);
          for (int64_t i = 0; i < rows.count(bin); ++i) {
            const T weight = rows.of(bin)[i];
            if (weight == 0) continue;  // between two samples far apart
            const auto* row = plane + (rows.first[bin] + i) * width + low;
            for (int64_t x = 0; x < count; ++x) line[static_cast<size_t>(x)] += weight * row[x];
          }
          auto* here = to + ((r * channels + c) * tall + y) * wide;
          for (int64_t x = 0; x < wide; ++x) {
            const auto column = static_cast<size_t>(x);
            const auto* values = line.data() + (columns.first[column] - low);
            T sum = 0;
            for (int64_t i = 0; i < columns.count(column); ++i) sum += columns.of(column)[i] * values[i];
            here[x] = sum;
          }
        }
      }
    }
  });
}

/// Backwards, each plane of the features on one thread, regions in their order: sums do not depend on threads.
template <class T>
void align_back(const Tensor& gradient, const Tensor& boxes, const std::vector<Region<T>>& regions, const Tensor& out) {
  const auto channels = out.size(1), height = out.size(2), width = out.size(3);
  const auto tall = gradient.size(2), wide = gradient.size(3);
  const auto of_picture = roi_detail::by_picture<T>(boxes, out.size(0));
  const auto* from = gradient.const_data_ptr<T>();
  auto* to = out.mutable_data_ptr<T>();
  parallel_for(0, out.size(0) * channels, 1, [&](int64_t begin, int64_t end) {
    std::vector<T> line(static_cast<size_t>(width));
    for (auto p = begin; p < end; ++p) {
      auto* plane = to + p * height * width;
      for (const auto r : of_picture[static_cast<size_t>(p / channels)]) {
        const auto& [picture, rows, columns] = regions[static_cast<size_t>(r)];
        const auto low = columns.low, count = columns.high - columns.low;
        for (int64_t y = 0; y < tall; ++y) {
          const auto* here = from + ((r * channels + p % channels) * tall + y) * wide;
          std::fill_n(line.begin(), count, T(0));
          for (int64_t x = 0; x < wide; ++x) {
            const auto column = static_cast<size_t>(x);
            auto* values = line.data() + (columns.first[column] - low);
            for (int64_t i = 0; i < columns.count(column); ++i) values[i] += columns.of(column)[i] * here[x];
          }
          const auto bin = static_cast<size_t>(y);
          for (int64_t i = 0; i < rows.count(bin); ++i) {
            const T weight = rows.of(bin)[i];
            if (weight == 0) continue;
            auto* row = plane + (rows.first[bin] + i) * width + low;
            for (int64_t x = 0; x < count; ++x) row[x] += weight * line[static_cast<size_t>(x)];
          }
        }
      }
    }
  });
}

struct Align : torch::autograd::Function<Align> {
  static Tensor forward(AutogradContext* context, const Tensor& features, const Tensor& boxes, const RoiAlign& how) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->saved_data["boxes"] = boxes;
    context->saved_data["shape"] = features.sizes().vec();
    context->saved_data["sizes"] = std::vector<int64_t>{how.height, how.width, how.samples, how.aligned};
    context->saved_data["scale"] = how.scale;
    const auto out = torch::empty({boxes.size(0), features.size(1), how.height, how.width}, features.options());
    const auto run = [&]<class T>(T) {
      align<T>(features, regions_of<T>(boxes, features.size(2), features.size(3), how), out);
    };
    features.scalar_type() == torch::kFloat64 ? run(double()) : run(float());
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require(!at::GradMode::is_enabled(), "[roi_align] has no second derivative");
    const auto boxes = context->saved_data["boxes"].toTensor();
    const auto sizes = context->saved_data["sizes"].toIntVector();
    const RoiAlign how{sizes[0], sizes[1], context->saved_data["scale"].toDouble(), sizes[2], sizes[3] != 0};
    const auto gradient = gradients[0].contiguous();
    const auto out = torch::zeros(context->saved_data["shape"].toIntVector(), gradient.options());
    const auto run = [&]<class T>(T) {
      align_back<T>(gradient, boxes, regions_of<T>(boxes, out.size(2), out.size(3), how), out);
    };
    gradient.scalar_type() == torch::kFloat64 ? run(double()) : run(float());
    return {out, Tensor(), Tensor()};
  }
};

}  // namespace

Tensor roi_align(const Tensor& features, const Tensor& regions, const RoiAlign& how) {
  roi_detail::check("roi_align", features, regions, how.height, how.width);
  const auto type = features.scalar_type();
  return Align::apply(roi_detail::at_hand(features, type), roi_detail::at_hand(regions.detach(), type), how)
      .to(features.device(), type);
}

}  // namespace hadal
