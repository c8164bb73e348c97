// One codec per format, behind image.h. These see pictures as stored: no orientation.
#pragma once
#include <cstddef>
#include <cstdint>

#include "hadal/io/image.h"

namespace hadal::codec {

/// The orientation (1 to 8) in a TIFF structure as EXIF holds it; 1 when there is none or it is broken.
int exif_orientation(std::string_view tiff);

/// Throws FileError unless 1 <= width x height <= options.max_pixels.
void check_size(std::string_view name, int64_t width, int64_t height, const DecodeOptions& options);

/// (H, W, 3) -> (H, W, 1) by ITU-R 601 luma, as Pillow rounds it; other tensors come back as they are.
Tensor to_channels(const Tensor& image, int64_t channels);

ImageInfo probe_jpeg(std::string_view bytes, std::string_view name, const DecodeOptions& options);
ImageInfo probe_png(std::string_view bytes, std::string_view name, const DecodeOptions& options);
ImageInfo probe_webp(std::string_view bytes, std::string_view name, const DecodeOptions& options);
ImageInfo probe_bmp(std::string_view bytes, std::string_view name, const DecodeOptions& options);

/// `box` in stored pixels; nullptr for the whole picture.
ImageRegion decode_jpeg(std::string_view bytes, std::string_view name, const PixelBox* box, int64_t min_width,
                        int64_t min_height, const DecodeOptions& options);
Tensor decode_png(std::string_view bytes, std::string_view name, const DecodeOptions& options);
Tensor decode_webp(std::string_view bytes, std::string_view name, const DecodeOptions& options);
Tensor decode_bmp(std::string_view bytes, std::string_view name, const DecodeOptions& options);

inline uint32_t byte_at(std::string_view bytes, size_t offset) { return static_cast<uint8_t>(bytes[offset]); }
inline uint32_t little16(std::string_view bytes, size_t offset) {
  return byte_at(bytes, offset) | byte_at(bytes, offset + 1) << 8;
}
inline uint32_t little32(std::string_view bytes, size_t offset) {
  return little16(bytes, offset) | little16(bytes, offset + 2) << 16;
}

}  // namespace hadal::codec
