#include "hadal/ops/rle.h"

#include <algorithm>
#include <cstring>

#include "hadal/core/error.h"
#include "hadal/core/parallel.h"

namespace hadal {
namespace {

// Two masks at once, run by run: body(length, in_a, in_b).
template <class Body>
void walk(const Rle& a, const Rle& b, Body body) {
  size_t i = 0, j = 0;
  uint32_t left_a = 0, left_b = 0;
  bool in_a = true, in_b = true;  // the first step turns them to background
  for (;;) {
    while (left_a == 0 && i < a.counts.size()) left_a = a.counts[i++], in_a = !in_a;
    while (left_b == 0 && j < b.counts.size()) left_b = b.counts[j++], in_b = !in_b;
    const auto length = std::min(left_a, left_b);
    if (length == 0) return;
    body(length, in_a, in_b);
    left_a -= length, left_b -= length;
  }
}

Rle merge_two(const Rle& a, const Rle& b, bool intersect) {
  if (a.height != b.height || a.width != b.width)
    fail("[rle] masks of one size can be merged, got {} x {} and {} x {}", a.width, a.height, b.width, b.height);
  Rle out{a.height, a.width, {}};
  out.counts.reserve(std::max(a.counts.size(), b.counts.size()));
  bool now = false;
  uint32_t run = 0;
  walk(a, b, [&](uint32_t length, bool in_a, bool in_b) {
    const bool in = intersect ? in_a && in_b : in_a || in_b;
    if (in != now) out.counts.push_back(run), run = 0, now = in;
    run += length;
  });
  out.counts.push_back(run);
  return out;
}

// `pixels` lie column by column.
Rle encode_columns(const uint8_t* pixels, int64_t height, int64_t width) {
  Rle out{height, width, {}};
  const auto* const end = pixels + height * width;
  for (int value = 0; pixels < end; value = 1 - value) {
    const auto* other = static_cast<const uint8_t*>(std::memchr(pixels, 1 - value, static_cast<size_t>(end - pixels)));
    if (!other) other = end;
    out.counts.push_back(static_cast<uint32_t>(other - pixels));
    pixels = other;
  }
  return out;
}

}  // namespace

void check_rle_size(int64_t height, int64_t width, std::string_view name) {
  if (height < 1 || width < 1 || height > INT32_MAX / width)
    fail("{}: a mask of {} x {} pixels cannot be; expected at least 1 x 1 and fewer than 2^31 pixels", name, width,
         height);
}

Rle rle_from_counts(std::vector<uint32_t> counts, int64_t height, int64_t width, std::string_view name) {
  check_rle_size(height, width, name);
  uint64_t sum = 0;
  for (const auto count : counts) sum += count;
  if (sum != static_cast<uint64_t>(height * width))
    fail("{}: the runs of the mask cover {} pixels, but the picture has {} x {} = {}", name, sum, width, height,
         height * width);
  return {height, width, std::move(counts)};
}

Rle rle_encode(const Tensor& mask) {
  if (mask.dim() != 2) fail("[rle] a mask is (H, W), got {} dimensions", mask.dim());
  check_rle_size(mask.size(0), mask.size(1));
  const auto columns = mask.detach().ne(0).to(torch::kUInt8).t().contiguous().cpu();
  return encode_columns(columns.const_data_ptr<uint8_t>(), mask.size(0), mask.size(1));
}

std::vector<Rle> rle_encode_all(const Tensor& masks) {
  const bool channel = masks.dim() == 4 && masks.size(1) == 1;
  if (masks.dim() != 3 && !channel) fail("[rle] masks are (N, H, W), got {} dimensions", masks.dim());
  const auto all = channel ? masks.squeeze(1) : masks;
  std::vector<Rle> out(static_cast<size_t>(all.size(0)));
  if (out.empty()) return out;
  const auto height = all.size(1), width = all.size(2);
  check_rle_size(height, width);
  const auto columns = all.detach().ne(0).to(torch::kUInt8).transpose(1, 2).contiguous().cpu();
  const auto* pixels = columns.const_data_ptr<uint8_t>();
  parallel_for(0, all.size(0), 1, [&](int64_t first, int64_t last) {
    for (auto i = first; i < last; ++i)
      out[static_cast<size_t>(i)] = encode_columns(pixels + i * height * width, height, width);
  });
  return out;
}

Tensor rle_decode(const Rle& rle) {
  check_rle_size(rle.height, rle.width);
  auto columns = torch::zeros({rle.width, rle.height}, torch::kUInt8);
  auto* pixels = columns.mutable_data_ptr<uint8_t>();
  int64_t at = 0;
  bool in = false;
  for (const auto count : rle.counts) {
    if (count > rle.height * rle.width - at) fail("[rle] the runs of the mask are longer than its picture");
    if (in) std::memset(pixels + at, 1, count);
    at += count, in = !in;
  }
  return columns.t().contiguous();
}

Rle rle_merge(std::span<const Rle> masks, bool intersect) {
  if (masks.empty()) fail("[rle] there are no masks to merge");
  auto out = masks[0];
  for (const auto& mask : masks.subspan(1)) out = merge_two(out, mask, intersect);
  return out;
}

int64_t rle_area(const Rle& rle) {
  int64_t area = 0;
  for (size_t i = 1; i < rle.counts.size(); i += 2) area += rle.counts[i];
  return area;
}

std::array<double, 4> rle_box(const Rle& rle) {
  int64_t left = rle.width, right = -1, top = rle.height, bottom = -1, at = 0;
  for (size_t i = 0; i < rle.counts.size(); at += rle.counts[i++]) {
    if (i % 2 == 0 || rle.counts[i] == 0) continue;
    const auto last = at + rle.counts[i] - 1;
    left = std::min(left, at / rle.height), right = std::max(right, last / rle.height);
    const bool several = at / rle.height != last / rle.height;  // a run over a column's end spans the height
    top = std::min(top, several ? 0 : at % rle.height);
    bottom = std::max(bottom, several ? rle.height - 1 : last % rle.height);
  }
  if (right < 0) return {0, 0, 0, 0};
  return {static_cast<double>(left), static_cast<double>(top), static_cast<double>(right - left + 1),
          static_cast<double>(bottom - top + 1)};
}

double rle_iou(const Rle& found, const Rle& truth, bool crowd) {
  const auto a = rle_box(found), b = rle_box(truth);
  if (std::min(a[0] + a[2], b[0] + b[2]) <= std::max(a[0], b[0]) ||
      std::min(a[1] + a[3], b[1] + b[3]) <= std::max(a[1], b[1]))
    return 0;
  if (found.height != truth.height || found.width != truth.width)
    fail("[rle] a mask of {} x {} pixels cannot be compared with one of {} x {}", found.width, found.height,
         truth.width, truth.height);
  uint64_t both = 0, any = 0;
  walk(found, truth, [&](uint32_t length, bool in_a, bool in_b) {
    if (in_a || in_b) any += length;
    if (in_a && in_b) both += length;
  });
  if (both == 0) return 0;
  return static_cast<double>(both) / static_cast<double>(crowd ? static_cast<uint64_t>(rle_area(found)) : any);
}

std::string rle_to_string(const Rle& rle) {
  std::string out;
  for (size_t i = 0; i < rle.counts.size(); ++i) {
    int64_t value = rle.counts[i];
    if (i > 2) value -= rle.counts[i - 2];
    for (bool more = true; more;) {
      auto bits = value & 0x1f;
      value >>= 5;
      more = bits & 0x10 ? value != -1 : value != 0;
      if (more) bits |= 0x20;
      out += static_cast<char>(bits + 48);
    }
  }
  return out;
}

Rle rle_from_string(std::string_view text, int64_t height, int64_t width, std::string_view name) {
  check_rle_size(height, width, name);
  std::vector<uint32_t> counts;
  const auto total = height * width;
  for (size_t at = 0; at < text.size();) {
    int64_t value = 0;
    for (int shift = 0;; shift += 5) {
      if (at == text.size()) fail("{}: the mask's text is cut off in a number", name);
      const int bits = static_cast<unsigned char>(text[at++]) - 48;
      if (bits < 0 || bits > 63 || shift > 35) fail("{}: the mask's text is damaged at letter {}", name, at - 1);
      value |= static_cast<int64_t>(bits & 0x1f) << shift;
      if (bits & 0x20) continue;
      if (bits & 0x10) value -= int64_t{1} << (shift + 5);
      break;
    }
    if (counts.size() > 2) value += counts[counts.size() - 2];
    if (value < 0 || value > total)
      fail("{}: a run of {} pixels in the mask, but the picture has {} x {}", name, value, width, height);
    counts.push_back(static_cast<uint32_t>(value));
  }
  return rle_from_counts(std::move(counts), height, width, name);
}

}  // namespace hadal
