#include "hadal/ops/stft.h"

#include "hadal/core/shape.h"

namespace hadal {
namespace {

constexpr double kNoWindow = 1e-11;  // a sum of squares below it: nothing is known of the sample

/// (N, points, frames) -> (N, samples): columns laid `hop` apart and summed.
Tensor overlap_add(const Tensor& columns, int64_t hop, int64_t samples) {
  const auto points = columns.size(1);
  return at::col2im(columns, {1, samples}, {1, points}, {1, 1}, {0, 0}, {1, hop}).flatten(1);
}

Tensor with_ends(const Tensor& signal, const StftShape& shape) {
  const auto margin = shape.margin();
  if (margin == 0) return signal;
  const auto batch = signal.reshape({-1, 1, signal.size(-1)});
  const bool mirrored = shape.ends != StftShape::Ends::zeros && signal.size(-1) > margin;
  return mirrored ? torch::reflection_pad1d(batch, {margin, margin}) : torch::constant_pad_nd(batch, {margin, margin});
}

}  // namespace

int64_t StftShape::margin() const {
  switch (ends) {
    case Ends::reflect:
    case Ends::zeros:
      return points() / 2;
    case Ends::same:
      return (window - hop) / 2;
    case Ends::cut:
      break;
  }
  return 0;
}

void StftShape::check(const char* where) const {
  require(window >= 2 && hop >= 1, "[{}] window ({}) must be at least 2 and hop ({}) at least 1", where, window, hop);
  require(fft == 0 || fft >= window, "[{}] fft ({}) must be at least the window ({})", where, fft, window);
  if (ends != Ends::same) return;
  require(hop <= window && (window - hop) % 2 == 0 && points() == window,
          "[{}] \"same\" wants a hop ({}) that leaves an even part of the window ({}), and fft as the window", where,
          hop, window);
}

Tensor stft_window(const StftShape& shape, const Tensor& like) {
  const auto options =
      like.options().dtype(like.is_complex() ? c10::toRealValueType(like.scalar_type()) : like.scalar_type());
  const auto window = shape.taper == StftShape::Taper::hann
                          ? torch::hann_window(shape.window, torch::kFloat64).to(options)
                          : torch::ones({shape.window}, options);
  const auto more = shape.points() - shape.window;
  return more > 0 ? torch::constant_pad_nd(window, {more / 2, more - more / 2}) : window;
}

Tensor stft(const Tensor& signal, const StftShape& shape) {
  shape.check("stft");
  if (signal.dim() < 1 || (signal.scalar_type() != torch::kFloat32 && signal.scalar_type() != torch::kFloat64))
    fail("[stft] wants a signal (..., T) float32 or float64, got {} {}", shape_text(signal),
         c10::toString(signal.scalar_type()));
  if (signal.size(-1) < 1) fail("[stft] a signal without a sample has no spectrum");
  const auto padded = with_ends(signal, shape);
  if (padded.size(-1) < shape.points())
    fail("[stft] a signal of {} samples is shorter than a window ({})", signal.size(-1), shape.points());
  const auto frames = padded.unfold(-1, shape.points(), shape.hop) * stft_window(shape, signal);
  const auto spectrum = at::fft_rfft(frames).transpose(-2, -1);
  auto sizes = signal.sizes().vec();
  sizes.back() = spectrum.size(-2);
  sizes.push_back(spectrum.size(-1));
  return spectrum.reshape(sizes);
}

Tensor istft(const Tensor& spectrum, const StftShape& shape, int64_t length) {
  shape.check("istft");
  if (spectrum.dim() < 2 || !spectrum.is_complex() || spectrum.size(-2) != shape.bins() || spectrum.size(-1) < 1)
    fail("[istft] wants (..., {}, frames) complex, got {} {}", shape.bins(), shape_text(spectrum),
         c10::toString(spectrum.scalar_type()));
  const auto frames = spectrum.size(-1), points = shape.points(), margin = shape.margin();
  const auto whole = (frames - 1) * shape.hop + points;
  const auto wanted = length >= 0 ? length : whole - 2 * margin;
  if (wanted < 1) fail("[istft] {} frames tell of no sample between the ends", frames);
  const auto window = stft_window(shape, spectrum);
  const auto pieces = at::fft_irfft(spectrum.reshape({-1, shape.bins(), frames}), points, 1) * window.unsqueeze(1);
  const auto squares = window.square().unsqueeze(1).expand({points, frames}).unsqueeze(0);
  const auto kept = std::min(wanted, whole - margin);
  const auto sum = overlap_add(pieces, shape.hop, whole).narrow(1, margin, kept);
  auto weight = overlap_add(squares.contiguous(), shape.hop, whole).narrow(1, margin, kept);
  const auto blind = weight < kNoWindow;
  // Where no signal was added at the ends, the first sample lies under a window's zero: nobody knows it.
  if (shape.ends != StftShape::Ends::cut && blind.any().item<bool>())
    fail("[istft] no window tells of sample {}; hop ({}) must leave windows ({}) overlapping",
         blind[0].nonzero()[0][0].item<int64_t>(), shape.hop, shape.window);
  const auto signal = sum / weight.masked_fill(blind, 1);
  auto sizes = spectrum.sizes().vec();
  sizes.pop_back();
  sizes.back() = wanted;
  return (kept < wanted ? torch::constant_pad_nd(signal, {0, wanted - kept}) : signal).reshape(sizes);
}

Tensor stft_magnitude(const Tensor& signal, const StftShape& shape, double floor) {
  const auto squares = torch::view_as_real(stft(signal, shape)).square().sum(-1);
  return (floor > 0 ? squares + floor : squares.clamp_min(1e-30)).sqrt();
}

}  // namespace hadal
