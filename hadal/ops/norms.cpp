#include "hadal/ops/norms.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ops/_foreach_norm.h>

#include "hadal/core/parallel.h"
#include "hadal/ops/update.h"

namespace hadal {
namespace {

namespace detail = update_detail;

/// Sum of squares of n elements from `first` of a dense CPU tensor.
double squares_at(const Tensor& t, int64_t first, int64_t n) {
  switch (t.scalar_type()) {
    case at::kDouble:
      return detail::squares(t.const_data_ptr<double>() + first, n);
    case at::kFloat:
      return detail::squares(t.const_data_ptr<float>() + first, n);
    default: {
      float converted[detail::kBlock];
      double sum = 0;
      for (auto done = int64_t{0}; done < n; done += detail::kBlock) {
        const auto count = std::min(detail::kBlock, n - done);
        const auto convert = [&](const auto* from) {
          for (int64_t i = 0; i < count; ++i) converted[i] = static_cast<float>(from[first + done + i]);
        };
        if (t.scalar_type() == at::kBFloat16)
          convert(t.const_data_ptr<at::BFloat16>());
        else
          convert(t.const_data_ptr<at::Half>());
        sum += detail::squares(converted, count);
      }
      return sum;
    }
  }
}

bool plain(const Tensor& t) {
  const auto type = t.scalar_type();
  return t.is_cpu() && t.layout() == at::kStrided && t.is_non_overlapping_and_dense() &&
         (type == at::kFloat || type == at::kDouble || type == at::kBFloat16 || type == at::kHalf);
}

}  // namespace

std::vector<double> sums_of_squares(const std::vector<Tensor>& tensors) {
  std::vector<double> sums(tensors.size());
  std::vector<size_t> fast, far;
  std::vector<int64_t> sizes;
  size_t blocks = 0;
  for (size_t i = 0; i < tensors.size(); ++i)
    if (plain(tensors[i])) {
      fast.push_back(i);
      sizes.push_back(tensors[i].numel());
      blocks += static_cast<size_t>((sizes.back() + detail::kBlock - 1) / detail::kBlock);
    } else if (tensors[i].is_cuda() && tensors[i].layout() == at::kStrided) {
      far.push_back(i);
    } else {
      sums[i] = detail::sum_of_squares(tensors[i]);
    }
  if (!far.empty()) {
    // All at once, and one wait for the GPU.
    std::vector<Tensor> there;
    for (const auto i : far) there.push_back(tensors[i]);
    const auto norms = at::stack(at::_foreach_norm(there, 2, at::kDouble)).cpu();
    for (size_t i = 0; i < far.size(); ++i) sums[far[i]] = std::pow(norms.const_data_ptr<double>()[i], 2);
  }
  std::vector<std::pair<size_t, double>> parts(blocks);
  detail::each_block(sizes, [&](size_t tensor, int64_t begin, int64_t end, size_t number) {
    parts[number] = {fast[tensor], squares_at(tensors[fast[tensor]], begin, end - begin)};
  });
  for (const auto& [tensor, sum] : parts) sums[tensor] += sum;
  return sums;
}

namespace {

/// Whether each row of `t` (its first dimension) is one stretch of memory.
bool in_rows(const Tensor& t) { return plain(t) && (t.size(0) <= 1 || t.stride(0) * t.size(0) == t.numel()); }

/// What a unit's gradient is multiplied by, from sums of squares.
struct Clip {
  double limit, eps, scale;
  double operator()(double weight, double gradient) const {
    const auto most = limit * std::max(std::sqrt(weight), eps), length = std::sqrt(gradient) * scale;
    return length < most ? 1.0 : most / std::max(length, 1e-6);
  }
};

double clip_rows(const Tensor& param, const Tensor& grad, const Clip& clip) {
  const auto count = param.dim() > 1 ? param.size(0) : 1, width = param.numel() / std::max<int64_t>(count, 1);
  std::vector<double> sums(static_cast<size_t>(count));
  parallel_for(0, count, std::max<int64_t>(1, 16384 / std::max<int64_t>(width, 1)), [&](int64_t from, int64_t to) {
    for (auto row = from; row < to; ++row) {
      const auto first = row * width;
      const auto gradient = sums[static_cast<size_t>(row)] = squares_at(grad, first, width);
      const auto by = clip(squares_at(param, first, width), gradient);
      if (by == 1) continue;
      const auto shrink = [&]<class S>(S* values) {
        using Wide = std::conditional_t<std::same_as<S, double>, double, float>;
        const auto factor = static_cast<Wide>(by);
        for (auto i = first; i < first + width; ++i) values[i] = static_cast<S>(static_cast<Wide>(values[i]) * factor);
      };
      switch (grad.scalar_type()) {
        case at::kDouble:
          shrink(static_cast<double*>(grad.data_ptr()));
          break;
        case at::kFloat:
          shrink(static_cast<float*>(grad.data_ptr()));
          break;
        case at::kBFloat16:
          shrink(static_cast<at::BFloat16*>(grad.data_ptr()));
          break;
        default:
          shrink(static_cast<at::Half*>(grad.data_ptr()));
      }
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

/// The same on whole tensors, for other devices and layouts.
double clip_tensors(const Tensor& param, const Tensor& grad, const Clip& clip) {
  const auto norms = [](const Tensor& t) {
    const auto wide = t.to(at::kDouble);
    if (t.dim() < 2) return wide.norm();
    std::vector<int64_t> shape(static_cast<size_t>(t.dim()), 1);
    shape[0] = t.size(0);
    return wide.flatten(1).norm(2, 1).view(shape);
  };
  const auto most = norms(param).clamp_min(clip.eps) * clip.limit, lengths = norms(grad), scaled = lengths * clip.scale;
  Tensor(grad).copy_(grad * at::where(scaled < most, at::ones_like(most), most / scaled.clamp_min(1e-6)));
  return lengths.square().sum().item<double>();
}

}  // namespace

double clip_adaptively(const std::vector<Tensor>& params, const std::vector<Tensor>& grads, double limit, double eps,
                       double scale) {
  const torch::NoGradGuard no_grad;
  const Clip clip{limit, eps, std::abs(scale)};
  double total = 0;
  for (size_t i = 0; i < params.size(); ++i) {
    const bool rows =
        params[i].dim() > 1 ? in_rows(params[i]) && in_rows(grads[i]) : plain(params[i]) && plain(grads[i]);
    total += (rows ? clip_rows : clip_tensors)(params[i], grads[i], clip);
  }
  return total * scale * scale;
}

}  // namespace hadal
