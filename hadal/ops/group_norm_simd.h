// The kernels of group_norm_kernels.h, for whichever CPU includes this (see simd.h). A sample is read twice and written
// once; it stays in the second cache meanwhile. What SiLU needs is computed again in the backward pass.
#pragma once
#include "hadal/ops/group_norm_kernels.h"
#include "hadal/ops/simd.h"

namespace hadal::HADAL_SIMD {

/// 1 / (1 + e^-z)
inline Floats sigmoid_of(Floats z) {
  const float most = 126.f;
  const Floats power = z * -1.44269504f;
  return 1.f / (1.f + exp2<false>(power < most ? power : spread(most)));
}

inline float number(float x) { return x; }
inline float number(Bf16 x) { return __builtin_bit_cast(float, static_cast<uint32_t>(x.bits) << 16); }

template <int kCount>
struct Count {
  static constexpr int value = kCount;
};

/// Calls body(channel, n) for pieces of n vectors of channels: a pass over all pixels keeps that many sums in
/// registers.
template <class Body>
inline void over_channels(int64_t channels, Body body) {
  int64_t c = 0;
  for (; c + 4 * kLanes <= channels; c += 4 * kLanes) body(c, Count<4>());
  for (; c + 2 * kLanes <= channels; c += 2 * kLanes) body(c, Count<2>());
  for (; c < channels; c += kLanes) body(c, Count<1>());
}

/// Sums and sums of squares of each channel's distance from its first pixel, so that no digits are lost where the mean
/// is large.
template <class T>
inline void channel_sums(const GroupNormTask& task, const T* x, float* sums, float* squares) {
  over_channels(task.channels, [&](int64_t c, auto n) {
    constexpr int kN = decltype(n)::value;
    Floats first[kN], sum_of[kN] = {}, square_of[kN] = {};
    for (int i = 0; i < kN; ++i) first[i] = load(x + c + i * kLanes);
    for (int64_t p = 0; p < task.pixels; ++p)
      for (int i = 0; i < kN; ++i) {
        const Floats d = load(x + p * task.channels + c + i * kLanes) - first[i];
        sum_of[i] += d;
        square_of[i] += d * d;
      }
    for (int i = 0; i < kN; ++i) {
      store(sums + c + i * kLanes, sum_of[i]);
      store(squares + c + i * kLanes, square_of[i]);
    }
  });
}

/// Mean and one over the deviation of each group of a sample, from the sums of its channels.
template <class T>
inline void group_statistics(const GroupNormTask& task, const T* x, const float* added, const float* sums,
                             const float* squares, float* mean, float* over_deviation) {
  const auto width = task.channels / task.groups;
  const auto pixels = static_cast<double>(task.pixels), count = pixels * static_cast<double>(width);
  for (int64_t g = 0; g < task.groups; ++g) {
    double total = 0;
    for (auto c = g * width; c < (g + 1) * width; ++c)
      total += sums[c] + pixels * (static_cast<double>(number(x[c])) + (added ? added[c] : 0.f));
    const double middle = total / count;
    double spread_of = 0;
    for (auto c = g * width; c < (g + 1) * width; ++c) {
      const double off = static_cast<double>(number(x[c])) + (added ? added[c] : 0.f) - middle;
      spread_of += squares[c] + 2 * off * sums[c] + pixels * off * off;
    }
    mean[g] = static_cast<float>(middle);
    over_deviation[g] = static_cast<float>(1 / __builtin_sqrt((spread_of > 0 ? spread_of : 0) / count + task.eps));
  }
}

template <class T>
inline void norm_forward(const GroupNormTask& task, int64_t first, int64_t last, float* scratch) {
  const auto channels = task.channels, width = channels / task.groups;
  float *sums = scratch, *squares = scratch + channels, *slope = squares + channels, *offset = slope + channels;
  for (auto s = first; s < last; ++s) {
    const auto* x = static_cast<const T*>(task.x) + s * task.pixels * channels;
    const auto* added = task.added ? task.added + s * channels : nullptr;
    auto *mean = task.mean + s * task.groups, *over_deviation = task.over_deviation + s * task.groups;
    channel_sums(task, x, sums, squares);
    group_statistics(task, x, added, sums, squares, mean, over_deviation);
    for (int64_t c = 0; c < channels; ++c) {
      slope[c] = task.gain[s * task.step + c] * over_deviation[c / width];
      offset[c] = task.bias[s * task.step + c] + ((added ? added[c] : 0.f) - mean[c / width]) * slope[c];
    }
    auto* y = static_cast<T*>(task.y) + s * task.pixels * channels;
    over_channels(channels, [&](int64_t c, auto n) {
      constexpr int kN = decltype(n)::value;
      Floats a[kN], b[kN];
      for (int i = 0; i < kN; ++i) a[i] = load(slope + c + i * kLanes), b[i] = load(offset + c + i * kLanes);
      for (int64_t p = 0; p < task.pixels; ++p)
        for (int i = 0; i < kN; ++i) {
          const auto at = p * channels + c + i * kLanes;
          const Floats z = load(x + at) * a[i] + b[i];
          store(y + at, z * sigmoid_of(z));
        }
    });
  }
}

/// The gradient behind the norm, dz, into dx; its sums over pixels, and those of dz times what was normalised.
template <class T>
inline void behind_norm(const GroupNormTask& task, int64_t s, const float* over, const float* shift, float* sums,
                        float* products) {
  const auto channels = task.channels;
  const auto* x = static_cast<const T*>(task.x) + s * task.pixels * channels;
  const auto* dy = static_cast<const T*>(task.dy) + s * task.pixels * channels;
  const auto *gain = task.gain + s * task.step, *bias = task.bias + s * task.step;
  auto* dx = static_cast<T*>(task.dx) + s * task.pixels * channels;
  over_channels(channels, [&](int64_t c, auto n) {
    constexpr int kN = decltype(n)::value;
    Floats a[kN], b[kN], w[kN], o[kN], sum_of[kN] = {}, product_of[kN] = {};
    for (int i = 0; i < kN; ++i) {
      a[i] = load(over + c + i * kLanes), b[i] = load(shift + c + i * kLanes);
      w[i] = load(gain + c + i * kLanes), o[i] = load(bias + c + i * kLanes);
    }
    for (int64_t p = 0; p < task.pixels; ++p)
      for (int i = 0; i < kN; ++i) {
        const auto at = p * channels + c + i * kLanes;
        const Floats normed = load(x + at) * a[i] + b[i], z = normed * w[i] + o[i], share = sigmoid_of(z);
        const Floats dz = load(dy + at) * share * (1.f + z * (1.f - share));
        store(dx + at, dz);
        sum_of[i] += dz;
        product_of[i] += dz * normed;
      }
    for (int i = 0; i < kN; ++i) {
      store(sums + c + i * kLanes, sum_of[i]);
      store(products + c + i * kLanes, product_of[i]);
    }
  });
}

/// dx = dz gain / deviation - what goes back through mean and deviation: dz, x and 1, each by a number a channel.
template <class T>
inline void through_norm(const GroupNormTask& task, int64_t s, const float* of_dz, const float* of_x,
                         const float* of_one) {
  const auto channels = task.channels;
  const auto* x = static_cast<const T*>(task.x) + s * task.pixels * channels;
  auto* dx = static_cast<T*>(task.dx) + s * task.pixels * channels;
  over_channels(channels, [&](int64_t c, auto n) {
    constexpr int kN = decltype(n)::value;
    Floats k[kN], l[kN], m[kN], sum_of[kN] = {};
    for (int i = 0; i < kN; ++i) {
      k[i] = load(of_dz + c + i * kLanes), l[i] = load(of_x + c + i * kLanes);
      m[i] = load(of_one + c + i * kLanes);
    }
    for (int64_t p = 0; p < task.pixels; ++p)
      for (int i = 0; i < kN; ++i) {
        const auto at = p * channels + c + i * kLanes;
        const Floats d = load(dx + at) * k[i] + load(x + at) * l[i] + m[i];
        store(dx + at, d);
        sum_of[i] += d;
      }
    if (task.dadded)
      for (int i = 0; i < kN; ++i) store(task.dadded + s * channels + c + i * kLanes, sum_of[i]);
  });
}

template <class T>
inline void norm_backward(const GroupNormTask& task, int64_t first, int64_t last, float* scratch) {
  const auto channels = task.channels, width = channels / task.groups;
  const auto count = static_cast<double>(task.pixels) * static_cast<double>(width);
  float *over = scratch, *shift = over + channels, *of_dz = shift + channels, *of_x = of_dz + channels,
        *of_one = of_x + channels;
  for (auto s = first; s < last; ++s) {
    const auto* added = task.added ? task.added + s * channels : nullptr;
    const auto *mean = task.mean + s * task.groups, *over_deviation = task.over_deviation + s * task.groups;
    const auto* gain = task.gain + s * task.step;
    for (int64_t c = 0; c < channels; ++c) {
      over[c] = over_deviation[c / width];
      shift[c] = ((added ? added[c] : 0.f) - mean[c / width]) * over[c];
    }
    auto *sums = task.dbias + s * channels, *products = task.dgain + s * channels;
    behind_norm<T>(task, s, over, shift, sums, products);
    for (int64_t g = 0; g < task.groups; ++g) {
      double plain = 0, along = 0;
      for (auto c = g * width; c < (g + 1) * width; ++c) {
        plain += static_cast<double>(gain[c]) * sums[c];
        along += static_cast<double>(gain[c]) * products[c];
      }
      plain /= count, along /= count;
      for (auto c = g * width; c < (g + 1) * width; ++c) {
        of_dz[c] = gain[c] * over[c];
        of_x[c] = static_cast<float>(-along * over[c] * over[c]);
        of_one[c] = static_cast<float>(-over[c] * (plain + along * shift[c]));
      }
    }
    through_norm<T>(task, s, of_dz, of_x, of_one);
  }
}

inline GroupNormKernels group_norm_kernels() {
  return {kLanes, {norm_forward<float>, norm_forward<Bf16>}, {norm_backward<float>, norm_backward<Bf16>}};
}

}  // namespace hadal::HADAL_SIMD
