#include "hadal/ops/resample.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include "hadal/core/parallel.h"
#include "hadal/core/shape.h"

namespace hadal {
namespace {

constexpr int64_t kLargestTable = 1 << 20, kMostRate = int64_t{1} << 31;

}  // namespace

Resampler::Resampler(int64_t from, int64_t to, const ResampleQuality& quality) : zeros_(quality.zeros) {
  require(from >= 1 && to >= 1 && from <= kMostRate && to <= kMostRate,
          "[resample] rates are from 1 to {}, got {} and {}", kMostRate, from, to);
  require(quality.zeros >= 1 && quality.rolloff > 0 && quality.rolloff <= 1,
          "[resample] zeros ({}) must be at least 1 and rolloff ({}) above 0, at most 1", quality.zeros,
          quality.rolloff);
  const auto common = std::gcd(from, to);
  from_ = from / common, to_ = to / common;
  base_ = static_cast<double>(std::min(from_, to_)) * quality.rolloff;
  width_ = static_cast<int64_t>(std::ceil(static_cast<double>(zeros_ * from_) / base_));
  const auto taps = 2 * width_ + 1;
  if (to_ > kLargestTable / taps) return;
  table_.resize(static_cast<size_t>(to_ * taps));
  for (int64_t phase = 0; phase < to_; ++phase)
    for (int64_t tap = 0; tap < taps; ++tap) table_[static_cast<size_t>(phase * taps + tap)] = weight(phase, tap);
}

/// Of the sample `tap - width_` behind the one at or before the place asked for, which lies `phase / to_` of a sample
/// behind that.
double Resampler::weight(int64_t phase, int64_t tap) const {
  const auto zeros = static_cast<double>(zeros_);
  const auto distance = static_cast<double>(tap - width_) - static_cast<double>(phase) / static_cast<double>(to_);
  const auto t = distance / static_cast<double>(from_) * base_;
  if (std::abs(t) >= zeros) return 0;
  const auto window = std::cos(t * std::numbers::pi / zeros / 2), x = t * std::numbers::pi;
  return (x == 0 ? 1 : std::sin(x) / x) * window * window * base_ / static_cast<double>(from_);
}

Tensor Resampler::made_until(int64_t end) {
  const auto channels = kept_.size(0), count = std::max<int64_t>(end - made_, 0), taps = 2 * width_ + 1;
  auto out = torch::empty({channels, count});
  const auto in = kept_.contiguous();
  const auto there = in.size(1);
  const auto* source = in.const_data_ptr<float>();
  auto* target = out.mutable_data_ptr<float>();
  parallel_for(0, count, std::max<int64_t>(1, (1 << 16) / taps), [&](int64_t first, int64_t last) {
    for (auto i = first; i < last; ++i) {
      const auto place = (made_ + i) * from_, phase = place % to_;
      const auto begin = place / to_ - width_ - first_;  // within kept_; zeros lie around the sound
      for (int64_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (auto tap = std::max<int64_t>(0, -begin); tap < std::min(taps, there - begin); ++tap) {
          const auto w = table_.empty() ? weight(phase, tap) : table_[static_cast<size_t>(phase * taps + tap)];
          sum += w * static_cast<double>(source[c * there + begin + tap]);
        }
        target[c * count + i] = static_cast<float>(sum);
      }
    }
  });
  made_ += count;
  const auto needed = std::clamp<int64_t>(made_ * from_ / to_ - width_, first_, first_ + there);
  kept_ = in.slice(1, needed - first_).clone();
  first_ = needed;
  return out;
}

Tensor Resampler::push(const Tensor& samples) {
  const torch::NoGradGuard no_grad;
  if (samples.dim() != 2 || samples.size(0) < 1 || samples.scalar_type() != torch::kFloat32 ||
      (kept_.defined() && samples.size(0) != kept_.size(0)))
    fail("[resample] wants ({}, n) float32, got {} {}",
         kept_.defined() ? std::to_string(kept_.size(0)) : std::string("channels"), shape_text(samples),
         c10::toString(samples.scalar_type()));
  const auto more = samples.cpu();
  kept_ = kept_.defined() ? torch::cat({kept_, more}, 1) : more;
  seen_ += more.size(1);
  // The last place that needs no sample behind those seen: place / to + width < seen.
  const auto whole = seen_ - width_;
  return made_until(whole > 0 ? (whole * to_ + from_ - 1) / from_ : 0);
}

Tensor Resampler::finish() {
  const torch::NoGradGuard no_grad;
  if (!kept_.defined()) return torch::empty({1, 0});
  return made_until((seen_ * to_ + from_ - 1) / from_);
}

int64_t resampled_length(int64_t length, int64_t from, int64_t to) {
  const auto common = std::gcd(from, to), up = to / common, down = from / common;
  return length / down * up + (length % down * up + down - 1) / down;
}

Tensor resample(const Tensor& samples, int64_t from, int64_t to, const ResampleQuality& quality) {
  if (samples.dim() != 1 && samples.dim() != 2)
    fail("[resample] wants (T) or (channels, T), got {}", shape_text(samples));
  if (from == to) return samples;
  Resampler resampler(from, to, quality);
  const auto out =
      torch::cat({resampler.push(samples.dim() == 1 ? samples.unsqueeze(0) : samples), resampler.finish()}, 1);
  return samples.dim() == 1 ? out[0] : out;
}

}  // namespace hadal
