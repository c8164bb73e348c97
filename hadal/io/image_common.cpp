#include "hadal/core/error.h"
#include "hadal/io/image_codecs.h"

namespace hadal::codec {

int exif_orientation(std::string_view tiff) {
  if (tiff.starts_with(std::string_view("Exif\0\0", 6))) tiff.remove_prefix(6);
  if (tiff.size() < 8) return 1;
  const bool little = tiff.starts_with("II");
  if (!little && !tiff.starts_with("MM")) return 1;
  const auto read16 = [&](size_t at) {
    const auto a = byte_at(tiff, at), b = byte_at(tiff, at + 1);
    return little ? a | b << 8 : a << 8 | b;
  };
  const auto read32 = [&](size_t at) {
    const size_t a = read16(at), b = read16(at + 2);
    return little ? a | b << 16 : a << 16 | b;
  };
  const auto directory = read32(4);
  if (directory + 2 > tiff.size()) return 1;
  const size_t count = read16(directory);
  for (size_t i = 0; i < count; ++i) {
    const auto entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.size()) return 1;
    if (read16(entry) == 0x0112) {
      const auto value = static_cast<int>(read16(entry + 8));
      return value >= 1 && value <= 8 ? value : 1;
    }
  }
  return 1;
}

void check_size(std::string_view name, int64_t width, int64_t height, const DecodeOptions& options) {
  if (width < 1 || height < 1)
    throw FileError(name, fmt::format("a picture of {} x {} pixels is empty", width, height));
  if (width > options.max_pixels / height)
    throw FileError(name,
                    fmt::format("{} x {} pixels are more than the limit of {}", width, height, options.max_pixels));
}

Tensor to_channels(const Tensor& image, int64_t channels) {
  if (image.size(2) == channels) return image;
  if (channels == 3) return image.expand({-1, -1, 3}).contiguous();
  const auto source = image.contiguous();
  auto grey = torch::empty({source.size(0), source.size(1), 1}, torch::kUInt8);
  const auto* from = source.const_data_ptr<uint8_t>();
  auto* to = grey.data_ptr<uint8_t>();
  for (int64_t i = 0; i < grey.numel(); ++i, from += 3)
    to[i] = static_cast<uint8_t>((from[0] * 19595u + from[1] * 38470u + from[2] * 7471u + 0x8000u) >> 16);
  return grey;
}

}  // namespace hadal::codec

namespace hadal {

bool begins_like_picture(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (bytes.starts_with("\xFF\xD8\xFF"sv) || bytes.starts_with("\x89PNG\r\n\x1A\n"sv)) return true;
  if (bytes.starts_with("RIFF"sv) && bytes.substr(0, 12).ends_with("WEBP"sv)) return true;
  // Two letters begin a BMP; texts have them too, but not the header's size, 12 to 124, behind zeros.
  if (!bytes.starts_with("BM"sv) || bytes.size() < 18) return false;
  const auto header = codec::little32(bytes, 14);
  return codec::little32(bytes, 6) == 0 && header >= 12 && header <= 124;
}

}  // namespace hadal
