// BMP needs no library: a header, a palette, rows from the bottom up padded to four bytes; 1 to 32 bits a pixel, RLE.
#include <array>
#include <bit>
#include <cstdlib>

#include "hadal/core/error.h"
#include "hadal/io/image_codecs.h"

namespace hadal::codec {
namespace {

enum Compression : uint32_t { kPlain = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3, kAlphaBitFields = 6 };

struct Bmp {
  int64_t width = 0, height = 0;
  bool top_down = false;
  uint32_t bits = 0, compression = kPlain;
  std::array<uint32_t, 3> masks{};  // red, green, blue
  std::vector<std::array<uint8_t, 3>> palette;
  std::string_view pixels;
};

[[noreturn]] void refuse(std::string_view name, std::string_view why) {
  throw FileError(name, fmt::format("cannot decode this BMP: {}", why));
}

void read_palette(Bmp& bmp, std::string_view bytes, size_t at, size_t entry, uint32_t used) {
  const auto most = size_t{1} << bmp.bits;
  const auto count = used == 0 || used > most ? most : used;
  for (size_t i = 0; i < count && at + 3 <= bytes.size(); ++i, at += entry)
    bmp.palette.push_back(
        {static_cast<uint8_t>(bytes[at + 2]), static_cast<uint8_t>(bytes[at + 1]), static_cast<uint8_t>(bytes[at])});
  bmp.palette.resize(256);  // a pixel beyond the palette is black
}

void read_masks(Bmp& bmp, std::string_view bytes, std::string_view name) {
  if (bmp.compression == kPlain) {
    bmp.masks = bmp.bits == 16 ? std::array{0x7c00u, 0x3e0u, 0x1fu} : std::array{0xff0000u, 0xff00u, 0xffu};
    return;
  }
  if (bytes.size() < 14 + 40 + 12) refuse(name, "the file ends early");
  for (size_t c = 0; c < 3; ++c) bmp.masks[c] = little32(bytes, 14 + 40 + 4 * c);
}

Bmp parse(std::string_view bytes, std::string_view name, const DecodeOptions& options) {
  if (bytes.size() < 26) refuse(name, "the file ends early");
  Bmp bmp;
  const size_t start = little32(bytes, 10), header = little32(bytes, 14);
  uint32_t used = 0;
  if (header == 12) {
    bmp.width = little16(bytes, 18), bmp.height = little16(bytes, 20), bmp.bits = little16(bytes, 24);
  } else {
    if (header < 40 || header > 4096) refuse(name, fmt::format("a header of {} bytes is not known", header));
    if (bytes.size() < 14 + header) refuse(name, "the file ends early");
    const auto height = static_cast<int32_t>(little32(bytes, 22));
    bmp.width = static_cast<int32_t>(little32(bytes, 18));
    bmp.height = std::abs(static_cast<int64_t>(height));
    bmp.top_down = height < 0;
    bmp.bits = little16(bytes, 28), bmp.compression = little32(bytes, 30), used = little32(bytes, 46);
  }
  check_size(name, bmp.width, bmp.height, options);
  const bool palette = bmp.bits == 1 || bmp.bits == 2 || bmp.bits == 4 || bmp.bits == 8;
  const bool fields = bmp.compression == kBitFields || bmp.compression == kAlphaBitFields;
  const bool known = palette ? bmp.compression == kPlain || (bmp.compression == kRle8 && bmp.bits == 8) ||
                                   (bmp.compression == kRle4 && bmp.bits == 4)
                             : (bmp.bits == 24 && bmp.compression == kPlain) ||
                                   ((bmp.bits == 16 || bmp.bits == 32) && (fields || bmp.compression == kPlain));
  if (!known) refuse(name, fmt::format("{} bits with compression {} are not known", bmp.bits, bmp.compression));
  if (palette) read_palette(bmp, bytes, 14 + header, header == 12 ? 3 : 4, used);
  if (bmp.bits == 16 || bmp.bits == 32) read_masks(bmp, bytes, name);
  if (start > bytes.size()) refuse(name, "the file ends before its pixels");
  bmp.pixels = bytes.substr(start);
  return bmp;
}

/// A channel of a masked pixel, stretched to 8 bits as Pillow rounds it (down).
uint8_t field(uint32_t pixel, uint32_t mask) {
  if (mask == 0) return 0;
  const auto shift = std::countr_zero(mask);
  const uint64_t most = mask >> shift, value = (pixel & mask) >> shift;
  return static_cast<uint8_t>(value * 255 / most);
}

void decode_row(const Bmp& bmp, std::string_view row, uint8_t* to) {
  for (int64_t x = 0; x < bmp.width; ++x, to += 3) {
    const auto i = static_cast<size_t>(x);
    if (bmp.bits <= 8) {
      const auto bit = i * bmp.bits;
      const auto index = byte_at(row, bit / 8) >> (8 - bmp.bits - bit % 8) & ((1u << bmp.bits) - 1);
      std::copy_n(bmp.palette[index].data(), 3, to);
    } else if (bmp.bits == 24) {
      for (size_t c = 0; c < 3; ++c) to[c] = static_cast<uint8_t>(row[3 * i + 2 - c]);
    } else {
      const auto pixel = bmp.bits == 16 ? little16(row, 2 * i) : little32(row, 4 * i);
      for (size_t c = 0; c < 3; ++c) to[c] = field(pixel, bmp.masks[c]);
    }
  }
}

/// Run-length codes: (count, value), or 0 and: 0 end of row, 1 end of picture, 2 a jump, n pixels as they are.
void decode_runs(const Bmp& bmp, std::string_view name, uint8_t* to) {
  const auto bytes = bmp.pixels;
  const size_t bits = bmp.bits;
  int64_t x = 0, y = 0;
  size_t at = 0;
  const auto put = [&](uint32_t index) {
    if (x < bmp.width && y < bmp.height)
      std::copy_n(bmp.palette[index].data(), 3, to + 3 * ((bmp.top_down ? y : bmp.height - 1 - y) * bmp.width + x));
    ++x;
  };
  const auto pixel = [&](size_t from, size_t i) {
    const auto value = byte_at(bytes, from + i * bits / 8);
    return bits == 8 ? value : i % 2 ? value & 15 : value >> 4;
  };
  while (y < bmp.height) {
    if (at + 2 > bytes.size()) refuse(name, "the file ends early");
    const auto count = byte_at(bytes, at), value = byte_at(bytes, at + 1);
    at += 2;
    if (count > 0) {
      for (uint32_t i = 0; i < count; ++i) put(bits == 8 ? value : i % 2 ? value & 15 : value >> 4);
    } else if (value == 0) {
      x = 0, ++y;
    } else if (value == 1) {
      return;
    } else if (value == 2) {
      if (at + 2 > bytes.size()) refuse(name, "the file ends early");
      x += byte_at(bytes, at), y += byte_at(bytes, at + 1), at += 2;
    } else {
      const auto size = (value * bits + 7) / 8;
      if (at + size > bytes.size()) refuse(name, "the file ends early");
      for (uint32_t i = 0; i < value; ++i) put(pixel(at, i));
      at += size + size % 2;
    }
  }
}

}  // namespace

ImageInfo probe_bmp(std::string_view bytes, std::string_view name, const DecodeOptions& options) {
  const auto bmp = parse(bytes, name, options);
  return {"BMP", bmp.width, bmp.height, 1};
}

Tensor decode_bmp(std::string_view bytes, std::string_view name, const DecodeOptions& options) {
  const auto bmp = parse(bytes, name, options);
  auto image = torch::zeros({bmp.height, bmp.width, 3}, torch::kUInt8);
  auto* to = image.data_ptr<uint8_t>();
  if (bmp.compression == kRle8 || bmp.compression == kRle4) {
    decode_runs(bmp, name, to);
    return to_channels(image, options.channels);
  }
  const auto stride = (static_cast<size_t>(bmp.width) * bmp.bits + 31) / 32 * 4;
  if (bmp.pixels.size() / stride < static_cast<size_t>(bmp.height)) {
    // Some writers leave out the last row's padding.
    const auto bare = (static_cast<size_t>(bmp.width) * bmp.bits + 7) / 8;
    if (bmp.pixels.size() < stride * (static_cast<size_t>(bmp.height) - 1) + bare)
      refuse(name, fmt::format("{} bytes of pixels, {} are needed", bmp.pixels.size(), stride * bmp.height));
  }
  for (int64_t y = 0; y < bmp.height; ++y)
    decode_row(bmp, bmp.pixels.substr(static_cast<size_t>(y) * stride, stride),
               to + 3 * bmp.width * (bmp.top_down ? y : bmp.height - 1 - y));
  return to_channels(image, options.channels);
}

}  // namespace hadal::codec
