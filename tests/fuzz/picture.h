// What the fuzzers of picture formats share.
#pragma once
#include <algorithm>
#include <string>

#include "hadal/io/image.h"

#include "tests/fuzz/fuzz.h"

namespace hadal::fuzz {

/// Reads the input in every way there is, as the format whose files begin with `magic`: without it a mutation of the
/// first bytes would only show that other formats are refused. Four bytes of the input choose a region.
inline void read_picture(std::span<const std::byte> input, std::string_view magic) {
  std::string bytes(reinterpret_cast<const char*>(input.data()), input.size());
  if (bytes.size() < magic.size() + 8) return;
  bytes.replace(0, magic.size(), magic);
  const DecodeOptions options{.channels = bytes.back() & 1 ? 1 : 3, .max_pixels = 1 << 20};
  const auto info = probe_image(bytes, "input", options);
  const auto byte = [&](size_t from_end) { return static_cast<uint8_t>(bytes[bytes.size() - from_end]); };
  const int64_t left = info.width * byte(2) / 256, top = info.height * byte(3) / 256;
  const PixelBox box{left, top, std::max<int64_t>(1, (info.width - left) * byte(4) / 256),
                     std::max<int64_t>(1, (info.height - top) * byte(5) / 256)};
  try {
    decode_region(bytes, "input", box, 8, 8, options);
  } catch (const Error&) {
  }
  decode_image(bytes, "input", options);
}

}  // namespace hadal::fuzz
