#include "hadal/data/vision/scenes/placement.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "hadal/data/vision/scenes/warp.h"
#include "hadal/data/vision/transforms_check.h"
#include "hadal/ops/instance_masks.h"

namespace hadal {
namespace {

int64_t up_to_stride(int64_t side, int64_t stride) { return (side + stride - 1) / stride * stride; }

/// Which two pixels a new one lies between, and how far along, in 1/2048.
struct Between {
  std::vector<int64_t> first, second;
  std::vector<int32_t> along;
};
Between between(int64_t old_length, int64_t new_length, bool corners) {
  Between out;
  for (int64_t i = 0; i < new_length; ++i) {
    const double at = corners ? (new_length > 1 ? real(i) * real(old_length - 1) / real(new_length - 1) : 0)
                              : (real(i) + 0.5) * real(old_length) / real(new_length) - 0.5;
    const double within = std::clamp(at, 0.0, real(old_length - 1));
    const auto first = static_cast<int64_t>(within);
    out.first.push_back(first);
    out.second.push_back(std::min(first + 1, old_length - 1));
    out.along.push_back(static_cast<int32_t>(std::lround((within - real(first)) * 2048)));
  }
  return out;
}

/// Levels to inputs, a table a channel in the network's order.
std::array<std::array<float, 256>, 3> tables_of(const Preparation& p) {
  require((p.mean.empty() || p.mean.size() == 3) && (p.std.empty() || p.std.size() == 3),
          "[preparation] mean and std want a number for each of 3 channels, got {} and {}", p.mean.size(),
          p.std.size());
  std::array<std::array<float, 256>, 3> out;
  for (size_t c = 0; c < 3; ++c) {
    const double mean = p.mean.empty() ? 0 : p.mean[c], std = p.std.empty() ? 1 : p.std[c];
    require(std > 0, "[preparation] std must be above 0, got {}", std);
    for (size_t level = 0; level < 256; ++level)
      out[c][level] = static_cast<float>((static_cast<double>(level) * p.scale - mean) / std);
  }
  return out;
}

struct Fitting {
  int64_t height, width;            // of the resized picture
  int64_t full_height, full_width;  // of the input
  int64_t left, top;
};

Fitting fit_letterbox(ImageSize from, const Preparation& p, int64_t size, bool square) {
  const auto s = real(size) / real(std::max(from.height, from.width));
  const auto side = [&](int64_t v) { return std::clamp<int64_t>(std::lround(real(v) * s), 1, size); };
  Fitting f{side(from.height), side(from.width), 0, 0, 0, 0};
  f.full_height = square ? size : up_to_stride(f.height, p.stride);
  f.full_width = square ? size : up_to_stride(f.width, p.stride);
  // Ultralytics' halves: the smaller one left and above.
  const auto half = [](int64_t rest) { return static_cast<int64_t>(std::lround(real(rest) / 2 - 0.1)); };
  if (!p.corner) f.left = half(f.full_width - f.width), f.top = half(f.full_height - f.height);
  return f;
}

Fitting fit_shorter_side(ImageSize from, const Preparation& p, int64_t size) {
  const auto shorter = real(std::min(from.height, from.width)), longer = real(std::max(from.height, from.width));
  // A size other than the published one moves its limit along.
  const auto longest = p.longest > 0 ? real(p.longest) * real(size) / real(p.size) : INFINITY;
  const auto s = std::min(real(size) / shorter, longest / longer);
  const auto side = [&](int64_t v) { return std::max<int64_t>(1, static_cast<int64_t>(std::floor(real(v) * s))); };
  const auto h = side(from.height), w = side(from.width);
  return {h, w, up_to_stride(h, p.stride), up_to_stride(w, p.stride), 0, 0};
}

Fitting fitting_of(ImageSize from, const Preparation& p, int64_t size, bool square) {
  require(size > 0 && p.stride > 0, "[preparation] size and stride must be at least 1, got {} and {}", size, p.stride);
  if (p.fit == Preparation::Fit::letterbox) return fit_letterbox(from, p, size, square);
  if (p.fit == Preparation::Fit::shorter_side) return fit_shorter_side(from, p, size);
  return {size, size, size, size, 0, 0};
}

}  // namespace

Tensor resampled(const Tensor& image, int64_t height, int64_t width, Preparation::Sampling sampling) {
  using Sampling = Preparation::Sampling;
  if (sampling == Sampling::antialias) return resize(image, height, width);
  const auto picture = checked_color("resize", image);
  require(height > 0 && width > 0, "[resize] the new size must be at least 1 x 1, got {} x {}", height, width);
  const auto [old_height, old_width] = size_of(picture);
  if (old_height == height && old_width == width) return picture;
  const auto channels = picture.size(2);
  const auto across = between(old_width, width, sampling == Sampling::corners);
  const auto down = between(old_height, height, sampling == Sampling::corners);
  auto out = torch::empty({height, width, channels}, torch::kUInt8);
  const auto* from = picture.const_data_ptr<uint8_t>();
  auto* to = out.data_ptr<uint8_t>();
  const auto fill = [&](const auto& mean) {
    for (int64_t y = 0; y < height; ++y) {
      const auto* above = from + down.first[y] * old_width * channels;
      const auto* below = from + down.second[y] * old_width * channels;
      const int64_t fy = down.along[y];
      for (int64_t x = 0; x < width; ++x) {
        const auto a = across.first[x] * channels, b = across.second[x] * channels;
        const int64_t fx = across.along[x];
        for (int64_t c = 0; c < channels; ++c) {
          const auto top = above[a + c] * (2048 - fx) + above[b + c] * fx;
          const auto bottom = below[a + c] * (2048 - fx) + below[b + c] * fx;
          *to++ = static_cast<uint8_t>(mean(top, bottom, fy));
        }
      }
    }
  };
  if (sampling == Sampling::opencv)
    fill([](int64_t top, int64_t bottom, int64_t fy) {
      return (((top >> 4) * (2048 - fy) >> 16) + ((bottom >> 4) * fy >> 16) + 2) >> 2;
    });
  else
    fill([](int64_t top, int64_t bottom, int64_t fy) { return (top * (2048 - fy) + bottom * fy + (1 << 21)) >> 22; });
  return out;
}

PreparedImage prepare(const Tensor& image, const Preparation& p, int64_t size, bool square) {
  const auto picture = to_channels(checked_color("prepare", image), 3);
  const auto from = size_of(picture);
  const auto f = fitting_of(from, p, size > 0 ? size : p.size, square);
  const auto resized = resampled(picture, f.height, f.width, p.sampling);
  PreparedImage out;
  out.placement = {real(f.width) / real(from.width),
                   real(f.height) / real(from.height),
                   real(f.left),
                   real(f.top),
                   from.width,
                   from.height};
  const bool fills_after = p.fit == Preparation::Fit::shorter_side;  // by the batch, after normalising
  out.size = fills_after ? ImageSize{f.height, f.width} : ImageSize{f.full_height, f.full_width};
  out.image = fills_after || (f.height == f.full_height && f.width == f.full_width)
                  ? resized
                  : crop(resized, {-f.left, -f.top, f.full_width, f.full_height}, static_cast<uint8_t>(p.fill));
  return out;
}

Tensor stacked(const std::vector<Tensor>& images, const Preparation& p) {
  require(!images.empty(), "[batch] holds no picture");
  int64_t height = 0, width = 0;
  for (const auto& image : images) height = std::max(height, image.size(0)), width = std::max(width, image.size(1));
  const bool shorter = p.fit == Preparation::Fit::shorter_side;
  if (shorter) height = up_to_stride(height, p.stride), width = up_to_stride(width, p.stride);
  const auto tables = tables_of(p);
  auto out = torch::empty({std::ssize(images), 3, height, width});
  auto* to = out.data_ptr<float>();
  for (const auto& image : images) {
    const auto picture = checked_color("batch", image);
    const auto h = picture.size(0), w = picture.size(1);
    for (int64_t c = 0; c < 3; ++c) {
      const auto& table = tables[static_cast<size_t>(c)];
      const float beyond = shorter ? 0 : table[static_cast<size_t>(std::clamp<int64_t>(p.fill, 0, 255))];
      const auto* from = picture.const_data_ptr<uint8_t>() + (picture.size(2) == 1 ? 0 : p.bgr ? 2 - c : c);
      const auto step = picture.size(2);
      for (int64_t y = 0; y < height; ++y, to += width) {
        const auto seen = y < h ? w : 0;
        for (int64_t x = 0; x < seen; ++x) to[x] = table[from[(y * w + x) * step]];
        std::fill(to + seen, to + width, beyond);
      }
    }
  }
  return out;
}

Tensor placed_boxes(const Tensor& boxes, const Placement& p) {
  if (!boxes.defined()) return boxes;
  return boxes * torch::tensor({p.scale_x, p.scale_y, p.scale_x, p.scale_y}, torch::kFloat32) +
         torch::tensor({p.left, p.top, p.left, p.top}, torch::kFloat32);
}

Tensor placed_keypoints(const Tensor& keypoints, const Placement& p) {
  if (!keypoints.defined()) return keypoints;
  auto out = keypoints * torch::tensor({p.scale_x, p.scale_y, 1.0}, torch::kFloat32);
  out += torch::tensor({p.left, p.top, 0.0}, torch::kFloat32);
  return torch::where(keypoints.slice(2, 2, 3) > 0, out, torch::zeros_like(out));
}

Tensor placed_masks(const Tensor& masks, const PreparedImage& prepared) {
  if (!masks.defined()) return masks;
  const auto& p = prepared.placement;
  const auto side = [](double v) { return static_cast<int64_t>(std::lround(v)); };
  const auto height = side(p.scale_y * real(p.height)), width = side(p.scale_x * real(p.width));
  auto out = torch::empty({masks.size(0), prepared.image.size(0), prepared.image.size(1)}, torch::kUInt8);
  std::memset(out.data_ptr(), 0, static_cast<size_t>(out.numel()));
  const auto left = side(p.left), top = side(p.top);
  for (int64_t i = 0; i < masks.size(0); ++i)
    out[i]
        .slice(0, top, top + height)
        .slice(1, left, left + width)
        .copy_(resize(masks[i].unsqueeze(2), height, width, Interpolation::nearest).squeeze(2));
  return out;
}

Found brought_back(const Found& found, const Placement& p, ImageSize input) {
  Found out = found;
  const auto scale = torch::tensor({p.scale_x, p.scale_y}, torch::kFloat32);
  const auto start = torch::tensor({p.left, p.top}, torch::kFloat32);
  const auto limit = torch::tensor({p.width, p.height}, torch::kFloat32);
  const auto corner = [&](int64_t first) {
    const auto at = found.boxes.slice(1, first, first + 2).to(torch::kFloat32);
    return torch::minimum(((at - start) / scale).clamp_min(0), limit);
  };
  const auto boxes = out.boxes = torch::cat({corner(0), corner(2)}, 1);
  if (found.masks.defined() && found.masks_are == Found::Masks::of_input) {
    // Read where paste_masks will put each place of the box's own. Around their outline they stay straight between
    // places, as logits are and probabilities are not.
    constexpr int64_t kGrid = 112;
    const auto places = [&](int64_t axis) {
      auto at = torch::empty({boxes.size(0), kGrid});
      for (int64_t i = 0; i < boxes.size(0); ++i) {
        const auto span = pasted_span(boxes[i][axis].item<float>(), boxes[i][axis + 2].item<float>(), kGrid);
        at[i] = real(span.begin) + (torch::arange(kGrid) + 1.5) * (real(span.extent) / real(kGrid + 2));
      }
      const auto side = axis == 0 ? input.width : input.height;
      return 2 * (at * scale[axis] + start[axis]) / real(side) - 1;
    };
    const auto x = places(0).unsqueeze(1).expand({-1, kGrid, -1}), y = places(1).unsqueeze(2).expand({-1, -1, kGrid});
    const auto logits = F::grid_sample(found.masks.unsqueeze(1).to(torch::kFloat32), torch::stack({x, y}, 3),
                                       F::GridSampleFuncOptions().align_corners(false).padding_mode(torch::kBorder))
                            .squeeze(1);
    out.masks = (0.5 + logits).clamp(0, 1);
    out.masks_are = Found::Masks::within_box;
  }
  if (found.keypoints.defined())
    out.keypoints = torch::cat({(found.keypoints.slice(2, 0, 2) - start) / scale, found.keypoints.slice(2, 2, 3)}, 2);
  return out;
}

}  // namespace hadal
